//! Catalog relations about roles: who there are, with what attributes, members of what.

use crate::model::access::{Privilege, Role};
use crate::query::postgres::catalog::{Filler, Rows, Value};
use crate::query::postgres::description::Description;

const fn filler(name: &'static str, fill: fn(&Description, &mut Rows)) -> Filler {
    Filler { schema: "pg_catalog", name, fill }
}

pub(super) const ALL: &[Filler] = &[
    filler("pg_auth_members", fill_members),
    filler("pg_authid", fill_secrets),
    filler("pg_db_role_setting", fill_settings),
    filler("pg_default_acl", fill_defaults),
    filler("pg_group", fill_groups),
    filler("pg_roles", fill_roles),
    filler("pg_shadow", fill_shadows),
    filler("pg_user", fill_users),
];

/// What PostgreSQL shows in place of a password.
const HIDDEN: &str = "********";

/// Roles with their numbers; names that are no roles are left out.
fn roles(description: &Description) -> Vec<(u32, Role)> {
    let known = description.roles();
    let mut extra: Vec<(u32, Role)> = description
        .numbered_roles()
        .into_iter()
        .filter(|(oid, _)| !known.iter().any(|role| role.id == *oid))
        .map(|(oid, name)| (oid, visitor(oid, &name)))
        .collect();
    extra.extend(known.into_iter().map(|role| (role.id, role)));
    extra.sort_by_key(|(oid, _)| *oid);
    extra
}

/// A name under which somebody came while there were no roles.
fn visitor(oid: u32, name: &str) -> Role {
    Role { login: true, ..Role::new(oid, name) }
}

fn settings(role: &Role) -> Value {
    let settings = role.settings.iter().map(|(name, value)| format!("{name}={value}"));
    let settings: Vec<_> = settings.collect();
    if settings.is_empty() { Value::Null } else { settings.into() }
}

fn valid_until(role: &Role) -> Value {
    role.valid_until.map_or(Value::Null, Value::Micros)
}

fn fill_roles(description: &Description, rows: &mut Rows) {
    for (oid, role) in roles(description) {
        rows.add([
            ("oid", oid.into()),
            ("rolname", (&role.name).into()),
            ("rolsuper", role.superuser.into()),
            ("rolinherit", role.inherit.into()),
            ("rolcreaterole", role.create_role.into()),
            ("rolcreatedb", role.create_database.into()),
            ("rolcanlogin", role.login.into()),
            ("rolreplication", false.into()),
            ("rolconnlimit", role.connection_limit.into()),
            ("rolpassword", HIDDEN.into()),
            ("rolvaliduntil", valid_until(&role)),
            ("rolbypassrls", role.superuser.into()),
            ("rolconfig", settings(&role)),
        ]);
    }
}

/// Superusers alone can read it, and even they see that there is a password, not what is kept of it.
fn fill_secrets(description: &Description, rows: &mut Rows) {
    for (oid, role) in roles(description) {
        rows.add([
            ("oid", oid.into()),
            ("rolname", (&role.name).into()),
            ("rolsuper", role.superuser.into()),
            ("rolinherit", role.inherit.into()),
            ("rolcreaterole", role.create_role.into()),
            ("rolcreatedb", role.create_database.into()),
            ("rolcanlogin", role.login.into()),
            ("rolconnlimit", role.connection_limit.into()),
            ("rolbypassrls", role.superuser.into()),
            ("rolpassword", role.password.as_ref().map(|_| HIDDEN).into()),
            ("rolvaliduntil", valid_until(&role)),
        ]);
    }
}

fn add_user(rows: &mut Rows, oid: u32, role: &Role, password: Value) {
    rows.add([
        ("usename", (&role.name).into()),
        ("usesysid", oid.into()),
        ("usecreatedb", role.create_database.into()),
        ("usesuper", role.superuser.into()),
        ("userepl", false.into()),
        ("usebypassrls", role.superuser.into()),
        ("passwd", password),
        ("valuntil", valid_until(role)),
        ("useconfig", settings(role)),
    ]);
}

fn fill_users(description: &Description, rows: &mut Rows) {
    for (oid, role) in roles(description).iter().filter(|(_, role)| role.login) {
        add_user(rows, *oid, role, HIDDEN.into());
    }
}

fn fill_shadows(description: &Description, rows: &mut Rows) {
    for (oid, role) in roles(description).iter().filter(|(_, role)| role.login) {
        add_user(rows, *oid, role, role.password.as_ref().map(|_| HIDDEN).into());
    }
}

fn fill_groups(description: &Description, rows: &mut Rows) {
    let all = roles(description);
    for (oid, group) in all.iter().filter(|(_, role)| !role.login) {
        let is_member = |role: &Role| role.member_of.contains_key(description.meant(&group.name));
        let members = all.iter().filter(|(_, role)| is_member(role));
        rows.add([
            ("groname", (&group.name).into()),
            ("grosysid", (*oid).into()),
            ("grolist", members.map(|(oid, _)| *oid).collect::<Vec<_>>().into()),
        ]);
    }
}

fn fill_members(description: &Description, rows: &mut Rows) {
    for (oid, role) in roles(description) {
        for (of, membership) in &role.member_of {
            rows.add([
                ("roleid", description.role_oid(of).into()),
                ("member", oid.into()),
                ("grantor", description.role_oid(&membership.grantor).into()),
                ("admin_option", membership.admin.into()),
            ]);
        }
    }
}

fn fill_settings(description: &Description, rows: &mut Rows) {
    for (oid, role) in roles(description) {
        if !role.settings.is_empty() {
            rows.add([
                ("setdatabase", 0.into()),
                ("setrole", oid.into()),
                ("setconfig", settings(&role)),
            ]);
        }
    }
}

fn fill_defaults(description: &Description, rows: &mut Rows) {
    for (owner, schemas) in &description.access.future {
        for (schema, grants) in schemas {
            let acl = description.acl(owner, Privilege::TABLE, grants);
            rows.add([
                ("oid", description.role_oid(owner).into()),
                ("defaclrole", description.role_oid(owner).into()),
                ("defaclnamespace", description.schema_oid(schema).into()),
                ("defaclobjtype", "r".into()),
                ("defaclacl", acl.into()),
            ]);
        }
    }
}
