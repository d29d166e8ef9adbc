//! Roles and privileges as the catalog shows them: numbers, owners, lists of privileges.
//!
//! The bootstrap role bears the name under which a session came while there were no other roles, so that
//! what a client sees of itself is true.

use std::collections::BTreeMap;

use crate::catalog::access::authority::Authority;
use crate::catalog::access::{BOOTSTRAP_ID, builtin, builtin_of_schema};
use crate::model::access::{BOOTSTRAP, Grants, PUBLIC, Privilege, Rights, Role};
use crate::query::postgres::description::{Description, OWNER_OID};

/// A privilege that somebody has on something, as `information_schema` lists it.
pub struct Held {
    /// Who gave it.
    pub grantor: String,
    /// Who has it.
    pub grantee: String,
    /// Which.
    pub privilege: Privilege,
    /// Whether it may be granted on.
    pub grantable: bool,
}

impl Description {
    /// All roles, under the names that they are shown by.
    pub fn roles(&self) -> Vec<Role> {
        let mut roles = self.access.all_roles();
        for role in roles.iter_mut().filter(|role| role.id == BOOTSTRAP_ID) {
            role.name = self.shown(&role.name).to_owned();
        }
        roles
    }

    /// The name that a role is shown by.
    pub fn shown<'a>(&'a self, role: &'a str) -> &'a str {
        if role == BOOTSTRAP && !self.owner.is_empty() { &self.owner } else { role }
    }

    /// The role of a name that is shown.
    pub fn meant<'a>(&self, shown: &'a str) -> &'a str {
        if shown == self.owner { BOOTSTRAP } else { shown }
    }

    /// The number of a role.
    pub fn role_oid(&self, role: &str) -> u32 {
        let shown = self.shown(role);
        let roles = self.numbered_roles();
        roles.iter().find(|(_, name)| *name == shown).map_or(OWNER_OID, |(oid, _)| *oid)
    }

    /// The owner of a table or view, as it is shown.
    pub fn owner_of(&self, schema: &str, table: &str) -> &str {
        self.shown(self.access.owner(schema, table))
    }

    /// What the session's role, or another, may do.
    pub fn authority(&self, role: Option<&str>) -> Authority {
        match role {
            Some(role) if role != self.user => self.access.authority(self.meant(role)),
            _ if self.is_superuser => Authority::superuser(&self.user),
            _ => self.access.authority(&self.user),
        }
    }

    /// What a list of privileges on a table shows; `None` if nobody has said anything.
    pub fn table_acl(&self, schema: &str, table: &str) -> Option<Vec<String>> {
        let said = self.access.table(schema, table).and_then(|it| it.grants.as_ref());
        let default = builtin(schema, table);
        let grants = said.or(Some(&default).filter(|grants| !grants.is_empty()))?;
        let owner = self.access.owner(schema, table);
        Some(self.acl(owner, Privilege::TABLE, grants))
    }

    /// The same of a column.
    pub fn column_acl(&self, schema: &str, table: &str, column: &str) -> Option<Vec<String>> {
        let grants = self.access.column_grants(schema, table, column)?;
        let owner = self.shown(self.access.owner(schema, table));
        Some(grants.iter().map(|(role, rights)| self.item(role, rights, owner)).collect())
    }

    /// The same of a schema.
    pub fn schema_acl(&self, schema: &str) -> Option<Vec<String>> {
        let said = self.access.schemas.get(schema).filter(|it| **it != builtin_of_schema(schema));
        Some(self.acl(BOOTSTRAP, Privilege::SCHEMA, said?))
    }

    /// A list of privileges: those of the owner first.
    pub fn acl(&self, owner: &str, all: &[Privilege], grants: &Grants) -> Vec<String> {
        let own: Rights = all.iter().map(|privilege| (*privilege, false)).collect();
        let shown = self.shown(owner);
        let others = grants.iter().filter(|(role, _)| *role != owner);
        let others = others.map(|(role, rights)| self.item(role, rights, shown));
        std::iter::once(self.item(owner, &own, shown)).chain(others).collect()
    }

    fn item(&self, role: &str, rights: &Rights, grantor: &str) -> String {
        let letters = Privilege::ALL.iter().filter_map(|(privilege, _, letter)| {
            let grantable = rights.get(privilege)?;
            Some(if *grantable { format!("{letter}*") } else { letter.to_string() })
        });
        let letters: String = letters.collect();
        format!("{}={letters}/{}", quoted(self.shown(role)), quoted(grantor))
    }

    /// Who holds what on a table: its owner, and to whom something was granted.
    pub fn held_on_table(&self, schema: &str, table: &str, is_view: bool) -> Vec<Held> {
        let owner = self.access.owner(schema, table);
        let all: &[_] = match is_view {
            true => &[Privilege::Select],
            false => &[Privilege::Insert, Privilege::Select, Privilege::Delete],
        };
        let own: Rights = all.iter().map(|privilege| (*privilege, true)).collect();
        let mut grants = self.access.grants(schema, table);
        grants.insert(owner.to_owned(), own);
        self.held(&grants, owner)
    }

    /// Who holds what on a column beside what they hold on its table.
    pub fn held_on_column(&self, schema: &str, table: &str, column: &str) -> Vec<Held> {
        let owner = self.access.owner(schema, table);
        let grants = self.access.column_grants(schema, table, column);
        grants.map(|grants| self.held(grants, owner)).unwrap_or_default()
    }

    fn held(&self, grants: &Grants, owner: &str) -> Vec<Held> {
        let mut all = Vec::new();
        for (role, rights) in grants {
            let grantee = if role == PUBLIC { "PUBLIC" } else { self.shown(role) };
            all.extend(rights.iter().map(|(privilege, grantable)| Held {
                grantor: self.shown(owner).to_owned(),
                grantee: grantee.to_owned(),
                privilege: *privilege,
                grantable: *grantable,
            }));
        }
        all
    }

    /// The roles whose rights the session has.
    pub fn enabled_roles(&self) -> Vec<Role> {
        let who = self.authority(None);
        let mut roles = self.roles();
        roles.retain(|role| who.has(self.meant(&role.name)));
        roles
    }

    /// All roles by number: those that exist, and names under which sessions came before there were any.
    pub fn numbered_roles(&self) -> BTreeMap<u32, String> {
        let mut names: Vec<_> = self.sessions.iter().map(|entry| entry.user.clone()).collect();
        let known = self.roles();
        names.retain(|name| !name.is_empty() && !known.iter().any(|role| role.name == *name));
        names.sort();
        names.dedup();
        let mut roles = Self::numbered_names(names.into_iter());
        roles.extend(known.into_iter().map(|role| (role.id, role.name)));
        roles
    }
}

/// A name in a list of privileges.
fn quoted(name: &str) -> String {
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
