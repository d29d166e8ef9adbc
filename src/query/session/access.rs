//! Roles and privileges by SQL: from what a statement says to the change of access that it makes.
//!
//! Names are looked up and rights are checked here; what may be at all is `catalog::access`'s. A password
//! leaves this file only as its verifier.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::access::authority::Authority;
use crate::catalog::access::{Access, no_role};
use crate::env::random::random_bytes;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{
    ADMIN, AccessChange, Grant, Grants, PUBLIC, Privilege, READ_SENSITIVE, RoleOption, Securable,
};
use crate::model::password::{ITERATIONS_DEFAULT, SALT_BYTES, Verifier, is_md5};
use crate::query::postgres::Description;
use crate::query::session::guard::not_owner;
use crate::query::session::{Inner, Notice, moment};
use crate::query::statements::{
    AccessStatement, RoleAttribute, RoleName, StatedObjects, StatedPrivilege,
};

/// The verifier of a new password, with a salt of its own.
///
/// # Errors
/// `22023` for a password that cannot be one, `0A000` for one that is hashed in another way.
pub fn verifier_of(password: &str) -> Result<String> {
    if Verifier::parse(password).is_some() {
        return Ok(password.to_owned());
    }
    if is_md5(password) {
        let message = "passwords hashed with MD5 are not supported";
        return Err(Error::unsupported(message)
            .hint("give the password itself, or its verifier: SCRAM-SHA-256$..."));
    }
    let salt: [u8; SALT_BYTES] = random_bytes()?;
    Ok(Verifier::of(password, &salt, ITERATIONS_DEFAULT)?.to_string())
}

/// A text that nobody can guess, from which salts of roles that do not exist are made.
///
/// # Errors
/// `58030` if the system gives no random bytes.
pub fn new_secret() -> Result<String> {
    let bytes: [u8; 32] = random_bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The change of access that a statement makes; notices go to the session.
///
/// # Errors
/// `42501` for what the session's role may not do, `42704`, `42P01`, `42703` for what is not there, and
/// what is wrong with a value.
pub(super) fn resolve(session: &Arc<Inner>, statement: &AccessStatement) -> Result<AccessChange> {
    session.binding.pin(session.snapshot());
    let snapshot = session.latest();
    let resolver = Resolver {
        session,
        access: &snapshot.catalog().access,
        who: session.authority(),
        description: session.planning.source.describe(),
    };
    let mut changes = resolver.changes(statement)?;
    Ok(match changes.len() {
        1 => changes.remove(0),
        _ => AccessChange::All(changes),
    })
}

struct Resolver<'a> {
    session: &'a Arc<Inner>,
    access: &'a Access,
    who: Arc<Authority>,
    description: Arc<Description>,
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message)
}

impl Resolver<'_> {
    fn changes(&self, statement: &AccessStatement) -> Result<Vec<AccessChange>> {
        match statement {
            AccessStatement::CreateRole { name, attributes } => self.create_role(name, attributes),
            AccessStatement::AlterRole { role, attributes } => self.alter_role(role, attributes),
            AccessStatement::RenameRole { role, to } => {
                let name = self.existing(role)?;
                self.check_alters(&name)?;
                Ok(vec![AccessChange::RenameRole { name, to: to.clone() }])
            }
            AccessStatement::SetForRole { role, setting, value } => {
                self.set_for_role(role, setting.as_deref(), value.as_deref())
            }
            AccessStatement::DropRole { roles, lenient } => self.drop_roles(roles, *lenient),
            AccessStatement::Membership { given, roles, members, admin } => {
                self.memberships(*given, roles, members, *admin)
            }
            AccessStatement::Privileges { given, privileges, objects, roles, grantable } => {
                let roles = self.grantees(roles)?;
                let objects = self.objects(objects)?;
                self.privileges(*given, privileges, &objects, &roles, *grantable)
            }
            AccessStatement::DefaultPrivileges {
                owners,
                schemas,
                given,
                privileges,
                roles,
                grantable,
            } => {
                let objects = self.future(owners, schemas)?;
                let roles = self.grantees(roles)?;
                self.privileges(*given, privileges, &objects, &roles, *grantable)
            }
            AccessStatement::SetOwner { schema, table, owner } => {
                let (schema, name) = self.table(schema.as_deref(), table)?;
                let owner = self.existing(owner)?;
                self.check_gives_away(&schema, &name, &owner)?;
                Ok(vec![AccessChange::SetOwner { schema, name, owner }])
            }
            AccessStatement::ReassignOwned { from, to } => {
                let to = self.existing(to)?;
                let reassign = |role: &RoleName| {
                    let from = self.existing(role)?;
                    self.check_acts_for(&from)?;
                    self.check_acts_for(&to)?;
                    Ok(AccessChange::Reassign { from, to: to.clone() })
                };
                from.iter().map(reassign).collect()
            }
            AccessStatement::DropOwned { roles } => self.drop_owned(roles),
            AccessStatement::Sensitive { dataset, columns } => self.sensitive(dataset, columns),
        }
    }

    /// The name of a role, which need not exist.
    fn name(&self, role: &RoleName) -> Result<String> {
        match role {
            RoleName::Named(name) => Ok(name.clone()),
            RoleName::Current => Ok(self.session.current_user()),
            RoleName::Session => Ok(self.session.setting("session_authorization")?),
            RoleName::Public => Err(no_role("public")),
        }
    }

    fn existing(&self, role: &RoleName) -> Result<String> {
        Ok(self.access.role(&self.name(role)?)?.name)
    }

    fn grantees(&self, roles: &[RoleName]) -> Result<Vec<String>> {
        let grantee = |role: &RoleName| match role {
            RoleName::Public => Ok(PUBLIC.to_owned()),
            role => self.existing(role),
        };
        roles.iter().map(grantee).collect()
    }

    fn may_create_roles(&self) -> bool {
        let role = self.access.roles.get(&self.who.role);
        self.who.superuser || role.is_some_and(|role| role.create_role)
    }

    fn create_role(&self, name: &str, attributes: &[RoleAttribute]) -> Result<Vec<AccessChange>> {
        if !self.may_create_roles() {
            return Err(refused("permission denied to create role")
                .detail("Only roles with the CREATEROLE attribute may create roles."));
        }
        let options = self.options(attributes)?;
        self.check_superuser_option(&options, "create superusers")?;
        let name = name.to_owned();
        let mut changes =
            vec![AccessChange::CreateRole { name: name.clone(), options, secret: new_secret()? }];
        let member = |role: &str, member: &str, admin| AccessChange::AddMember {
            role: role.to_owned(),
            member: member.to_owned(),
            admin,
            grantor: self.who.role.clone(),
        };
        if !self.who.superuser {
            changes.push(member(&name, &self.who.role, true));
        }
        for attribute in attributes {
            match attribute {
                RoleAttribute::InRole(roles) => {
                    for role in roles {
                        let role = self.existing(role)?;
                        self.check_administers(&role)?;
                        changes.push(member(&role, &name, false));
                    }
                }
                RoleAttribute::Members(roles, admin) => {
                    for role in roles {
                        changes.push(member(&name, &self.existing(role)?, *admin));
                    }
                }
                _ => {}
            }
        }
        Ok(changes)
    }

    fn options(&self, attributes: &[RoleAttribute]) -> Result<Vec<RoleOption>> {
        let option = |attribute: &RoleAttribute| {
            Ok(Some(match attribute {
                RoleAttribute::Superuser(is) => RoleOption::Superuser(*is),
                RoleAttribute::Inherit(is) => RoleOption::Inherit(*is),
                RoleAttribute::CreateRole(is) => RoleOption::CreateRole(*is),
                RoleAttribute::CreateDatabase(is) => RoleOption::CreateDatabase(*is),
                RoleAttribute::Login(is) => RoleOption::Login(*is),
                RoleAttribute::ConnectionLimit(limit) => RoleOption::ConnectionLimit(*limit),
                RoleAttribute::ValidUntil(text) if text.trim() == "infinity" => {
                    RoleOption::ValidUntil(None)
                }
                RoleAttribute::ValidUntil(text) => {
                    let zone = self.session.variables.lock().zone();
                    let micros = moment::read(text, zone);
                    let wrong = || moment::invalid("a moment", text);
                    RoleOption::ValidUntil(Some(micros.ok_or_else(wrong)?))
                }
                RoleAttribute::Password(password) => {
                    let verifier = password.as_deref().filter(|it| !it.is_empty());
                    RoleOption::Password(verifier.map(verifier_of).transpose()?)
                }
                RoleAttribute::InRole(_) | RoleAttribute::Members(..) => return Ok(None),
            }))
        };
        attributes.iter().filter_map(|attribute| option(attribute).transpose()).collect()
    }

    fn check_superuser_option(&self, options: &[RoleOption], what: &str) -> Result<()> {
        let says = options.iter().any(|option| matches!(option, RoleOption::Superuser(true)));
        if says { self.session.check_superuser(what) } else { Ok(()) }
    }

    fn alter_role(
        &self,
        role: &RoleName,
        attributes: &[RoleAttribute],
    ) -> Result<Vec<AccessChange>> {
        let name = self.existing(role)?;
        // Everybody may change their own password.
        let own = name == self.who.role
            && attributes.iter().all(|it| matches!(it, RoleAttribute::Password(_)));
        if !own {
            self.check_alters(&name)?;
        }
        let options = self.options(attributes)?;
        let says = |option: &RoleOption| matches!(option, RoleOption::Superuser(_));
        if options.iter().any(says) {
            self.session.check_superuser("alter superuser roles or change superuser attribute")?;
        }
        Ok(vec![AccessChange::AlterRole { name, options, secret: new_secret()? }])
    }

    /// Refuses to change a role to those who may not.
    fn check_alters(&self, name: &str) -> Result<()> {
        let superuser = self.access.roles.get(name).is_some_and(|role| role.superuser);
        if superuser {
            let what = "alter superuser roles or change superuser attribute";
            return self.session.check_superuser(what);
        }
        if self.may_create_roles() && self.access.may_administer(&self.who, name) {
            return Ok(());
        }
        let detail = format!(
            "Only roles with the CREATEROLE attribute and the ADMIN option on role \"{name}\" may do this."
        );
        Err(refused(format!("permission denied to alter role \"{name}\"")).detail(detail))
    }

    fn set_for_role(
        &self,
        role: &RoleName,
        setting: Option<&str>,
        value: Option<&str>,
    ) -> Result<Vec<AccessChange>> {
        let role = self.existing(role)?;
        if role != self.who.role {
            self.check_alters(&role)?;
        }
        if let Some(setting) = setting {
            if matches!(setting, "role" | "session_authorization") {
                let message = format!("parameter \"{setting}\" cannot be set for a role");
                return Err(Error::unsupported(message));
            }
            // What SET would refuse is refused here, and not at each log-in.
            let mut trial = self.session.variables.lock().clone();
            trial.set(setting, value, false)?;
        }
        let (setting, value) = (setting.map(str::to_owned), value.map(str::to_owned));
        Ok(vec![AccessChange::SetForRole { role, setting, value }])
    }

    fn drop_roles(&self, roles: &[RoleName], lenient: bool) -> Result<Vec<AccessChange>> {
        let mut changes = Vec::new();
        for role in roles {
            let name = self.name(role)?;
            if let Err(error) = self.access.role(&name) {
                if !lenient {
                    return Err(error);
                }
                self.session.notice(Notice::new(format!("{}, skipping", error.message())));
                continue;
            }
            self.check_alters(&name)?;
            let own = [self.session.current_user(), self.session.setting("session_authorization")?];
            if own.contains(&name) {
                let message = "current user cannot be dropped";
                return Err(Error::new(SqlState::OBJECT_IN_USE, message));
            }
            changes.push(AccessChange::DropRole { name });
        }
        Ok(changes)
    }

    fn check_administers(&self, role: &str) -> Result<()> {
        if self.access.roles.get(role).is_some_and(|role| role.superuser) {
            return self.session.check_superuser("make others members of a superuser");
        }
        if self.access.may_administer(&self.who, role) {
            return Ok(());
        }
        Err(refused(format!("must have admin option on role \"{role}\"")))
    }

    fn memberships(
        &self,
        given: bool,
        roles: &[RoleName],
        members: &[RoleName],
        admin: bool,
    ) -> Result<Vec<AccessChange>> {
        let mut changes = Vec::new();
        for role in roles {
            let role = self.existing(role)?;
            self.check_administers(&role)?;
            for member in members {
                let member = self.existing(member)?;
                changes.push(match given {
                    true => AccessChange::AddMember {
                        role: role.clone(),
                        member,
                        admin,
                        grantor: self.who.role.clone(),
                    },
                    false => {
                        AccessChange::RemoveMember { role: role.clone(), member, admin_only: admin }
                    }
                });
            }
        }
        Ok(changes)
    }

    /// A table or view that exists: schema and name.
    fn table(&self, schema: Option<&str>, name: &str) -> Result<(String, String)> {
        let path = self.description.search_path();
        let schemas = schema.map_or(path, |schema| vec![schema.to_owned()]);
        let found = schemas.iter().find(|schema| {
            let found = self.description.relation_named(schema, name);
            found.is_some() || self.access.table(schema, name).is_some()
        });
        found.map(|schema| (schema.clone(), name.to_owned())).ok_or_else(|| {
            let shown = schema.map_or(name.to_owned(), |schema| format!("{schema}.{name}"));
            Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist"))
        })
    }

    fn check_schema(&self, name: &str) -> Result<()> {
        if self.description.schema_oid(name).is_some() {
            return Ok(());
        }
        let message = format!("schema \"{name}\" does not exist");
        Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message))
    }

    fn objects(&self, stated: &StatedObjects) -> Result<Vec<Securable>> {
        match stated {
            StatedObjects::Tables(tables) => {
                let table = |(schema, name): &(Option<String>, String)| {
                    let (schema, name) = self.table(schema.as_deref(), name)?;
                    Ok(Securable::Table { schema, name })
                };
                tables.iter().map(table).collect()
            }
            StatedObjects::AllTables(schemas) => {
                schemas.iter().try_for_each(|schema| self.check_schema(schema))?;
                let named = self.description.relations.iter();
                let named = named.filter(|relation| schemas.contains(&relation.schema));
                let table = |relation: &crate::query::postgres::Relation| Securable::Table {
                    schema: relation.schema.clone(),
                    name: relation.name.clone(),
                };
                Ok(named.map(table).collect())
            }
            StatedObjects::Schemas(names) => {
                names.iter().try_for_each(|name| self.check_schema(name))?;
                Ok(names.iter().map(|name| Securable::Schema { name: name.clone() }).collect())
            }
            StatedObjects::Nothing => {
                let message = "every role may use these, so that nothing was granted or revoked";
                self.session.notice(Notice::new(message));
                Ok(Vec::new())
            }
        }
    }

    fn future(&self, owners: &[RoleName], schemas: &[String]) -> Result<Vec<Securable>> {
        let own = [RoleName::Current];
        let owners = if owners.is_empty() { &own } else { owners };
        schemas.iter().try_for_each(|schema| self.check_schema(schema))?;
        let public = ["public".to_owned()];
        let schemas = if schemas.is_empty() { &public } else { schemas };
        let mut objects = Vec::new();
        for owner in owners {
            let owner = self.existing(owner)?;
            self.check_acts_for(&owner)?;
            let future = |schema: &String| Securable::Future {
                owner: owner.clone(),
                schema: schema.clone(),
            };
            objects.extend(schemas.iter().map(future));
        }
        Ok(objects)
    }

    fn privileges(
        &self,
        given: bool,
        stated: &[StatedPrivilege],
        objects: &[Securable],
        roles: &[String],
        grantable: bool,
    ) -> Result<Vec<AccessChange>> {
        let mut changes = Vec::new();
        for object in objects {
            for stated in stated {
                for (object, privileges) in self.meant(object, stated)? {
                    for role in roles {
                        let (object, role) = (object.clone(), role.clone());
                        let privileges = privileges.clone();
                        let grant = Grant { object, role, privileges, grantable };
                        changes.push(match given {
                            true => AccessChange::Grant(grant),
                            false => AccessChange::Revoke(grant),
                        });
                    }
                }
            }
        }
        Ok(changes)
    }

    /// The objects and privileges that one privilege means on one object: its columns, or all.
    fn meant(
        &self,
        object: &Securable,
        stated: &StatedPrivilege,
    ) -> Result<Vec<(Securable, BTreeSet<Privilege>)>> {
        let (allowed, what) = match object {
            Securable::Schema { .. } => (Privilege::SCHEMA, "schema"),
            _ if stated.columns.is_empty() => (Privilege::TABLE, "relation"),
            _ => (Privilege::COLUMN, "column"),
        };
        let privileges: BTreeSet<_> = match stated.privilege {
            None => allowed.iter().copied().collect(),
            Some(privilege) if allowed.contains(&privilege) => [privilege].into(),
            Some(privilege) => {
                let message = format!("invalid privilege type {} for {what}", privilege.word());
                return Err(Error::new(SqlState("0LP01"), message));
            }
        };
        let privileges = self.grantable(object, privileges)?;
        if stated.columns.is_empty() {
            return Ok(vec![(object.clone(), privileges)]);
        }
        let Securable::Table { schema, name } = object else {
            let message = "columns are of tables only";
            return Err(Error::new(SqlState("0LP01"), message));
        };
        let relation = self.description.relation_named(schema, name);
        if relation.is_some_and(|relation| relation.is_view()) {
            let message = "privileges on columns of views are not supported";
            return Err(Error::unsupported(message)
                .hint("grant the view, or make one that has these columns only"));
        }
        let column = |column: &String| {
            let columns = relation.into_iter().flat_map(|relation| &relation.columns);
            if !columns.into_iter().any(|known| known.name == *column) {
                let message = format!("column \"{column}\" of relation \"{name}\" does not exist");
                return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
            }
            let (schema, table, column) = (schema.clone(), name.clone(), column.clone());
            Ok((Securable::Column { schema, table, column }, privileges.clone()))
        };
        stated.columns.iter().map(column).collect()
    }

    /// Those of the privileges that the session's role may give and take.
    fn grantable(
        &self,
        object: &Securable,
        privileges: BTreeSet<Privilege>,
    ) -> Result<BTreeSet<Privilege>> {
        let (owns, grants, kind, name): (bool, Grants, _, &str) = match object {
            Securable::Table { schema, name } => (
                self.access.owns(&self.who, schema, name),
                self.access.grants(schema, name),
                "table",
                name,
            ),
            Securable::Schema { name } => {
                (self.who.superuser, self.access.schema_grants(name), "schema", name)
            }
            // Whose they are was checked before.
            Securable::Future { .. } | Securable::Column { .. } => return Ok(privileges),
        };
        if owns {
            return Ok(privileges);
        }
        let count = privileges.len();
        let may = |it: &Privilege| self.who.may_grant(&grants, *it);
        let privileges: BTreeSet<_> = privileges.into_iter().filter(may).collect();
        if privileges.is_empty() {
            return Err(refused(format!("permission denied for {kind} {name}")));
        }
        if privileges.len() < count {
            let message = format!("not all privileges were granted for \"{name}\"");
            self.session.notice(Notice::warning(SqlState("01007"), message));
        }
        Ok(privileges)
    }

    /// Refuses to act for a role that the session's is no member of.
    fn check_acts_for(&self, role: &str) -> Result<()> {
        if self.who.superuser || self.access.is_member(&self.who.role, role) {
            return Ok(());
        }
        Err(refused(format!("must be member of role \"{role}\"")))
    }

    fn check_gives_away(&self, schema: &str, name: &str, owner: &str) -> Result<()> {
        if !self.access.owns(&self.who, schema, name) {
            return Err(not_owner("table", name));
        }
        self.check_acts_for(owner)
    }

    fn drop_owned(&self, roles: &[RoleName]) -> Result<Vec<AccessChange>> {
        let drop = |role: &RoleName| {
            let role = self.existing(role)?;
            self.check_acts_for(&role)?;
            for (schema, tables) in &self.access.tables {
                let owned = |said: &&crate::catalog::access::TableAccess| {
                    said.owner.as_deref() == Some(role.as_str())
                };
                if tables.values().any(|said| owned(&said)) {
                    let message = format!("role \"{role}\" owns tables of schema \"{schema}\"");
                    return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message)
                        .detail("DROP OWNED drops no rows here.")
                        .hint(format!("REASSIGN OWNED BY {role} TO another first")));
                }
            }
            Ok(AccessChange::RevokeAll { role })
        };
        roles.iter().map(drop).collect()
    }

    /// The owner may hide; to show again takes somebody who sees it anyway.
    fn sensitive(&self, dataset: &str, columns: &[(String, bool)]) -> Result<Vec<AccessChange>> {
        let owns = self.access.owns(&self.who, "public", dataset) || self.who.has(ADMIN);
        if !owns && self.description.relation_named("public", dataset).is_some() {
            return Err(not_owner("dataset", dataset));
        }
        if columns.iter().any(|(_, sensitive)| !sensitive) && !self.who.has(READ_SENSITIVE) {
            let what = "show what is sensitive";
            return Err(crate::query::session::guard::only(what, READ_SENSITIVE));
        }
        let change = |(column, sensitive): &(String, bool)| AccessChange::Sensitive {
            dataset: dataset.to_owned(),
            column: column.clone(),
            sensitive: *sensitive,
        };
        Ok(columns.iter().map(change).collect())
    }
}
