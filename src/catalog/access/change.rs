//! From one state of access to the next: every rule that roles and privileges must obey.

use crate::catalog::Catalog;
use crate::catalog::access::{Access, is_predefined, no_role};
use crate::catalog::apply::OBJECTS_MAX;
use crate::error::{Error, Result, SqlState};
use crate::model::access::{
    AccessChange, BOOTSTRAP, Grant, Grants, Membership, PUBLIC, Role, RoleOption, Securable,
};
use crate::model::dataset;
use crate::model::names::check_name;

impl Catalog {
    /// Applies a change of access.
    pub(in crate::catalog) fn change_access(
        &mut self,
        change: &AccessChange,
    ) -> Result<Option<String>> {
        let notice = match change {
            AccessChange::Sensitive { dataset, column, sensitive } => {
                self.set_sensitive(dataset, column, *sensitive)?;
                None
            }
            AccessChange::All(changes) => {
                let mut notices = Vec::new();
                for change in changes {
                    notices.extend(self.change_access(change)?);
                }
                (!notices.is_empty()).then(|| notices.join("; "))
            }
            change => self.access.change(change)?,
        };
        self.access.version += 1;
        Ok(notice)
    }

    fn set_sensitive(&mut self, name: &str, column: &str, sensitive: bool) -> Result<()> {
        let dataset = self.dataset(name)?;
        let Some(at) = dataset.column(column) else {
            let message = format!("column \"{column}\" of dataset \"{name}\" does not exist");
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        };
        if matches!(dataset.columns[at].role, dataset::Role::ObservedAt | dataset::Role::EventId) {
            let message = format!("column \"{column}\" cannot be sensitive");
            return Err(Error::unsupported(message)
                .detail("it is OBSERVED AT or EVENT ID, which orders and recognises rows"));
        }
        let columns = self.access.sensitive.entry(name.to_owned()).or_default();
        if sensitive {
            columns.insert(column.to_owned());
        } else {
            columns.remove(column);
        }
        self.access.sensitive.retain(|_, columns| !columns.is_empty());
        Ok(())
    }
}

impl Access {
    fn change(&mut self, change: &AccessChange) -> Result<Option<String>> {
        match change {
            AccessChange::CreateRole { name, options, secret } => {
                self.create_role(name, options, secret)?;
            }
            AccessChange::AlterRole { name, options, secret } => {
                self.alter_role(name, options, secret)?;
            }
            AccessChange::SetForRole { role, setting, value } => {
                self.set_for_role(role, setting.as_deref(), value.as_deref())?;
            }
            AccessChange::RenameRole { name, to } => self.rename_role(name, to)?,
            AccessChange::DropRole { name } => self.drop_role(name)?,
            AccessChange::AddMember { role, member, admin, grantor } => {
                return self.add_member(role, member, *admin, grantor);
            }
            AccessChange::RemoveMember { role, member, admin_only } => {
                return self.remove_member(role, member, *admin_only);
            }
            AccessChange::Grant(grant) => self.grant(grant)?,
            AccessChange::Revoke(grant) => self.revoke(grant)?,
            AccessChange::SetOwner { schema, name, owner } => {
                self.role(owner)?;
                self.set_owner(schema, name, owner);
            }
            AccessChange::Reassign { from, to } => self.reassign(from, to)?,
            AccessChange::RevokeAll { role } => self.revoke_all(role)?,
            AccessChange::Sensitive { .. } | AccessChange::All(_) => {
                return Err(Error::internal("a change of access came to the wrong place"));
            }
        }
        Ok(None)
    }

    fn create_role(&mut self, name: &str, options: &[RoleOption], secret: &str) -> Result<()> {
        check_role_name(name)?;
        if self.roles.contains_key(name) || is_predefined(name) {
            let message = format!("role \"{name}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
        }
        if self.roles.len() >= OBJECTS_MAX {
            let message = format!("cannot have more than {OBJECTS_MAX} roles");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let mut role = Role::new(self.next_role_id, name);
        self.next_role_id += 1;
        options.iter().for_each(|option| set_option(&mut role, option));
        self.roles.insert(name.to_owned(), role);
        self.keep_secret(secret);
        Ok(())
    }

    fn keep_secret(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secret.get_or_insert_with(|| secret.to_owned());
        }
    }

    fn made(&mut self, name: &str) -> Result<&mut Role> {
        if is_predefined(name) {
            let message = format!("role \"{name}\" is predefined and cannot be changed");
            return Err(Error::new(SqlState("42939"), message));
        }
        self.roles.get_mut(name).ok_or_else(|| no_role(name))
    }

    fn alter_role(&mut self, name: &str, options: &[RoleOption], secret: &str) -> Result<()> {
        let role = self.made(name)?;
        options.iter().for_each(|option| set_option(role, option));
        if name == BOOTSTRAP && !(role.superuser && role.login) {
            let message = format!("role \"{BOOTSTRAP}\" must remain a superuser who can log in");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message)
                .detail("it is the one that is there when all others are lost"));
        }
        self.keep_secret(secret);
        Ok(())
    }

    fn set_for_role(
        &mut self,
        role: &str,
        setting: Option<&str>,
        value: Option<&str>,
    ) -> Result<()> {
        let settings = &mut self.made(role)?.settings;
        match (setting, value) {
            (Some(setting), Some(value)) => {
                settings.insert(setting.to_owned(), value.to_owned());
            }
            (Some(setting), None) => {
                settings.remove(setting);
            }
            (None, _) => settings.clear(),
        }
        Ok(())
    }

    fn rename_role(&mut self, name: &str, to: &str) -> Result<()> {
        check_role_name(to)?;
        if name == BOOTSTRAP {
            let message = format!("role \"{BOOTSTRAP}\" cannot be renamed");
            return Err(Error::unsupported(message));
        }
        if self.roles.contains_key(to) || is_predefined(to) {
            let message = format!("role \"{to}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
        }
        self.made(name)?;
        let mut role = self.roles.remove(name).ok_or_else(|| no_role(name))?;
        role.name = to.to_owned();
        self.roles.insert(to.to_owned(), role);
        for role in self.roles.values_mut() {
            if let Some(membership) = role.member_of.remove(name) {
                role.member_of.insert(to.to_owned(), membership);
            }
            for membership in role.member_of.values_mut().filter(|it| it.grantor == name) {
                to.clone_into(&mut membership.grantor);
            }
        }
        self.each_grants(|grants| {
            if let Some(rights) = grants.remove(name) {
                grants.insert(to.to_owned(), rights);
            }
        });
        self.each_owner(name, to);
        if let Some(future) = self.future.remove(name) {
            self.future.insert(to.to_owned(), future);
        }
        Ok(())
    }

    fn drop_role(&mut self, name: &str) -> Result<()> {
        if name == BOOTSTRAP || is_predefined(name) {
            let message =
                format!("cannot drop role {name} because it is required by the database system");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message));
        }
        self.made(name)?;
        let uses = self.uses(name);
        if !uses.is_empty() {
            let message =
                format!("role \"{name}\" cannot be dropped because some objects depend on it");
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS, message)
                .detail(uses.join("\n"))
                .hint(format!("REASSIGN OWNED BY {name} TO another; DROP OWNED BY {name}")));
        }
        self.roles.remove(name);
        for role in self.roles.values_mut() {
            role.member_of.remove(name);
        }
        Ok(())
    }

    /// What keeps a role from being dropped, as PostgreSQL words it.
    fn uses(&self, role: &str) -> Vec<String> {
        const SHOWN_MAX: usize = 100;
        let mut uses = Vec::new();
        for (schema, tables) in &self.tables {
            for (name, said) in tables {
                if said.owner.as_deref() == Some(role) {
                    uses.push(format!("owner of table {schema}.{name}"));
                }
                let grants = said.grants.iter().chain(said.columns.values());
                if grants.into_iter().any(|grants| grants.contains_key(role)) {
                    uses.push(format!("privileges for table {schema}.{name}"));
                }
            }
        }
        let schemas = self.schemas.iter().filter(|(_, grants)| grants.contains_key(role));
        uses.extend(schemas.map(|(name, _)| format!("privileges for schema {name}")));
        let of = |(owner, schemas): (&String, &std::collections::BTreeMap<String, Grants>)| {
            owner == role || schemas.values().any(|grants| grants.contains_key(role))
        };
        if self.future.iter().any(of) {
            uses.push("default privileges on new relations".to_owned());
        }
        uses.truncate(SHOWN_MAX);
        uses
    }

    fn add_member(
        &mut self,
        role: &str,
        member: &str,
        admin: bool,
        grantor: &str,
    ) -> Result<Option<String>> {
        self.role(role)?;
        self.made(member)?;
        if self.is_plain_member(role, member) {
            let message = format!("role \"{role}\" is a member of role \"{member}\"");
            return Err(Error::new(SqlState("0LP01"), message)
                .detail(format!("\"{role}\" has the rights of \"{member}\" already")));
        }
        let of = &mut self.made(member)?.member_of;
        if of.get(role).is_some_and(|membership| membership.admin || !admin) {
            let message = format!("role \"{member}\" is already a member of role \"{role}\"");
            return Ok(Some(message));
        }
        of.insert(role.to_owned(), Membership { admin, grantor: grantor.to_owned() });
        Ok(None)
    }

    fn remove_member(
        &mut self,
        role: &str,
        member: &str,
        admin_only: bool,
    ) -> Result<Option<String>> {
        self.role(role)?;
        let of = &mut self.made(member)?.member_of;
        let Some(membership) = of.get_mut(role) else {
            let message = format!("role \"{member}\" is not a member of role \"{role}\"");
            return Ok(Some(message));
        };
        if admin_only {
            membership.admin = false;
        } else {
            of.remove(role);
        }
        Ok(None)
    }

    fn grant(&mut self, grant: &Grant) -> Result<()> {
        if grant.role != PUBLIC {
            self.role(&grant.role)?;
        } else if grant.grantable {
            let message = "grant options can only be granted to roles";
            return Err(Error::new(SqlState("0LP01"), message));
        }
        let rights = self.grants_mut(&grant.object).entry(grant.role.clone()).or_default();
        for privilege in &grant.privileges {
            *rights.entry(*privilege).or_default() |= grant.grantable;
        }
        Ok(())
    }

    fn revoke(&mut self, grant: &Grant) -> Result<()> {
        if grant.role != PUBLIC {
            self.role(&grant.role)?;
        }
        take(self.grants_mut(&grant.object), grant);
        // What is taken of a table is taken of its columns too, as in PostgreSQL.
        if let Securable::Table { schema, name } = &grant.object
            && let Some(said) = self.tables.get_mut(schema).and_then(|them| them.get_mut(name))
        {
            said.columns.values_mut().for_each(|grants| take(grants, grant));
            said.columns.retain(|_, grants| !grants.is_empty());
        }
        Ok(())
    }

    /// The grants on an object; built-in ones become its own by being changed.
    fn grants_mut(&mut self, object: &Securable) -> &mut Grants {
        match object {
            Securable::Table { schema, name } => {
                let before = self.grants(schema, name);
                self.table_mut(schema, name).grants.get_or_insert(before)
            }
            Securable::Column { schema, table, column } => {
                self.table_mut(schema, table).columns.entry(column.clone()).or_default()
            }
            Securable::Schema { name } => {
                let before = self.schema_grants(name);
                self.schemas.entry(name.clone()).or_insert(before)
            }
            Securable::Future { owner, schema } => {
                self.future.entry(owner.clone()).or_default().entry(schema.clone()).or_default()
            }
        }
    }

    /// Gives a table to a role, with what that role said of its tables to come if it is new.
    fn set_owner(&mut self, schema: &str, name: &str, owner: &str) {
        let is_new = self.table(schema, name).is_none();
        let future = self.future.get(owner).and_then(|schemas| schemas.get(schema)).cloned();
        let table = self.table_mut(schema, name);
        table.owner = (owner != BOOTSTRAP).then(|| owner.to_owned());
        if is_new && let Some(grants) = future {
            table.grants = Some(grants);
        }
    }

    fn reassign(&mut self, from: &str, to: &str) -> Result<()> {
        self.made(from)?;
        self.role(to)?;
        self.each_owner(from, to);
        Ok(())
    }

    fn each_owner(&mut self, from: &str, to: &str) {
        for table in self.tables.values_mut().flat_map(|tables| tables.values_mut()) {
            if table.owner.as_deref() == Some(from) {
                table.owner = (to != BOOTSTRAP).then(|| to.to_owned());
            }
        }
    }

    fn revoke_all(&mut self, role: &str) -> Result<()> {
        self.made(role)?;
        self.each_grants(|grants| {
            grants.remove(role);
        });
        self.future.remove(role);
        Ok(())
    }

    fn each_grants(&mut self, mut change: impl FnMut(&mut Grants)) {
        for table in self.tables.values_mut().flat_map(|tables| tables.values_mut()) {
            table.grants.iter_mut().for_each(&mut change);
            table.columns.values_mut().for_each(&mut change);
            table.columns.retain(|_, grants| !grants.is_empty());
        }
        self.schemas.values_mut().for_each(&mut change);
        self.future.values_mut().flat_map(|them| them.values_mut()).for_each(&mut change);
    }
}

fn take(grants: &mut Grants, grant: &Grant) {
    let Some(rights) = grants.get_mut(&grant.role) else { return };
    for privilege in &grant.privileges {
        match rights.get_mut(privilege) {
            Some(grantable) if grant.grantable => *grantable = false,
            _ => {
                rights.remove(privilege);
            }
        }
    }
    if rights.is_empty() {
        grants.remove(&grant.role);
    }
}

fn set_option(role: &mut Role, option: &RoleOption) {
    match option {
        RoleOption::Superuser(is) => role.superuser = *is,
        RoleOption::Inherit(is) => role.inherit = *is,
        RoleOption::CreateRole(is) => role.create_role = *is,
        RoleOption::CreateDatabase(is) => role.create_database = *is,
        RoleOption::Login(is) => role.login = *is,
        RoleOption::ConnectionLimit(limit) => role.connection_limit = *limit,
        RoleOption::ValidUntil(moment) => role.valid_until = *moment,
        RoleOption::Password(verifier) => role.password.clone_from(verifier),
    }
}

fn check_role_name(name: &str) -> Result<()> {
    let reserved = matches!(name, "public" | "none" | "current_user" | "session_user");
    if reserved || name.starts_with("pg_") || name.starts_with("selfsame_") {
        let message = format!("role name \"{name}\" is reserved");
        return Err(Error::new(SqlState::RESERVED_NAME, message)
            .detail("names that begin with \"pg_\" or \"selfsame_\" are predefined roles'"));
    }
    check_name("role", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::Privilege;

    fn create(name: &str) -> AccessChange {
        let (name, secret) = (name.to_owned(), String::new());
        AccessChange::CreateRole { name, options: Vec::new(), secret }
    }

    fn member(role: &str, member: &str) -> AccessChange {
        AccessChange::AddMember {
            role: role.to_owned(),
            member: member.to_owned(),
            admin: false,
            grantor: BOOTSTRAP.to_owned(),
        }
    }

    fn select(role: &str, given: bool) -> AccessChange {
        let object = Securable::Table { schema: "public".to_owned(), name: "crm".to_owned() };
        let privileges = [Privilege::Select].into();
        let grant = Grant { object, role: role.to_owned(), privileges, grantable: false };
        if given { AccessChange::Grant(grant) } else { AccessChange::Revoke(grant) }
    }

    fn check(changes: &[AccessChange], role: &str, expected: bool) {
        let mut access = Access::default();
        for change in changes {
            access.change(change).unwrap_or_else(|error| panic!("{change:?}: {error}"));
        }
        let may = access.may(&access.authority(role), ("public", "crm"), Privilege::Select);
        assert_eq!(may, expected, "{changes:?}");
    }

    #[test]
    fn rights_are_inherited_until_they_are_taken() {
        let (a, b) = (create("a"), create("b"));
        check(&[a.clone(), select("a", true)], "a", true);
        check(&[a.clone(), b.clone(), member("b", "a"), select("b", true)], "a", true);
        check(&[a.clone(), b.clone(), member("b", "a"), select("a", true)], "b", false);
        check(&[a.clone(), select(PUBLIC, true)], "a", true);
        check(&[a.clone(), select("a", true), select("a", false)], "a", false);
        let noinherit = AccessChange::AlterRole {
            name: "a".to_owned(),
            options: vec![RoleOption::Inherit(false)],
            secret: String::new(),
        };
        check(&[a, b, noinherit, member("b", "a"), select("b", true)], "a", false);
    }

    #[test]
    fn roles_cannot_be_members_of_each_other() {
        let mut access = Access::default();
        for change in [create("a"), create("b"), member("b", "a")] {
            access.change(&change).unwrap();
        }
        assert_eq!(access.change(&member("a", "b")).unwrap_err().code().0, "0LP01");
        assert_eq!(access.change(&member("a", "a")).unwrap_err().code().0, "0LP01");
        let again = access.change(&member("b", "a")).unwrap();
        assert_eq!(again.as_deref(), Some("role \"a\" is already a member of role \"b\""));
    }

    #[test]
    fn there_is_an_end_to_roles() {
        let mut access = Access::default();
        for number in access.roles.len()..OBJECTS_MAX {
            access.change(&create(&format!("r{number}"))).unwrap();
        }
        let error = access.change(&create("more")).unwrap_err();
        assert_eq!(error.code(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    }
}
