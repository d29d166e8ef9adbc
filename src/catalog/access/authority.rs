//! What a role may do: the roles whose rights it has, and the privileges that these were granted.

use std::collections::BTreeSet;

use crate::catalog::access::Access;
use crate::model::access::{Grants, PUBLIC, Privilege, READ_ALL_DATA, WRITE_ALL_DATA};

/// A role with everything that it has the rights of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The role.
    pub role: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Itself, and the roles whose rights it inherits.
    roles: BTreeSet<String>,
}

impl Authority {
    /// Somebody who may do everything.
    pub fn superuser(role: &str) -> Self {
        Self { role: role.to_owned(), superuser: true, roles: BTreeSet::from([role.to_owned()]) }
    }

    /// Whether it has the rights of a role.
    pub fn has(&self, role: &str) -> bool {
        self.superuser || self.roles.contains(role)
    }

    /// Whether something is granted to it.
    pub fn is_granted(&self, grants: &Grants, privilege: Privilege) -> bool {
        self.granted(grants, privilege).is_some()
    }

    /// Whether something is granted to it that it may grant on.
    pub fn may_grant(&self, grants: &Grants, privilege: Privilege) -> bool {
        self.granted(grants, privilege) == Some(true)
    }

    fn granted(&self, grants: &Grants, privilege: Privilege) -> Option<bool> {
        let of = |role: &str| grants.get(role)?.get(&privilege).copied();
        let own = self.roles.iter().filter_map(|role| of(role));
        own.chain(of(PUBLIC)).reduce(|one, other| one || other)
    }
}

impl Access {
    /// What a role may do; a role that is no more has no rights but those of everybody.
    pub fn authority(&self, role: &str) -> Authority {
        let superuser = self.roles.get(role).is_some_and(|role| role.superuser);
        let inherited = |name: &str| self.roles.get(name).is_some_and(|role| role.inherit);
        Authority { role: role.to_owned(), superuser, roles: self.reach(role, inherited) }
    }

    /// Whether a role is another one or its member, directly or not, so that it may take it.
    pub fn is_member(&self, member: &str, role: &str) -> bool {
        let superuser = self.roles.get(member).is_some_and(|role| role.superuser);
        superuser || self.reach(member, |_| true).contains(role)
    }

    /// The same, but superusers are not members of everything.
    pub fn is_plain_member(&self, member: &str, role: &str) -> bool {
        self.reach(member, |_| true).contains(role)
    }

    /// Itself and what it is a member of, through roles that let it through.
    fn reach(&self, role: &str, through: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([role.to_owned()]);
        let mut open = vec![role.to_owned()];
        while let Some(name) = open.pop() {
            if !through(&name) {
                continue;
            }
            for group in self.roles.get(&name).iter().flat_map(|role| role.member_of.keys()) {
                if reached.insert(group.clone()) {
                    open.push(group.clone());
                }
            }
        }
        reached
    }

    /// Whether somebody owns a table.
    pub fn owns(&self, who: &Authority, schema: &str, table: &str) -> bool {
        who.has(self.owner(schema, table))
    }

    /// Whether somebody may do something with all of a table.
    pub fn may(
        &self,
        who: &Authority,
        (schema, table): (&str, &str),
        privilege: Privilege,
    ) -> bool {
        let everywhere = match privilege {
            Privilege::Select => who.has(READ_ALL_DATA) && schema != "selfsame",
            Privilege::Insert | Privilege::Update | Privilege::Delete => {
                who.has(WRITE_ALL_DATA) && schema != "selfsame"
            }
            _ => false,
        };
        everywhere
            || self.owns(who, schema, table)
            || who.is_granted(&self.grants(schema, table), privilege)
    }

    /// Whether somebody may do something with a column of a table.
    pub fn may_column(
        &self,
        who: &Authority,
        (schema, table): (&str, &str),
        column: &str,
        privilege: Privilege,
    ) -> bool {
        let grants = self.column_grants(schema, table, column);
        grants.is_some_and(|grants| who.is_granted(grants, privilege))
            || self.may(who, (schema, table), privilege)
    }

    /// Whether somebody may do something with all of a table, or at least one of its columns.
    pub fn may_any(
        &self,
        who: &Authority,
        (schema, table): (&str, &str),
        privilege: Privilege,
    ) -> bool {
        let columns = self.table(schema, table).map(|it| &it.columns);
        let mut columns = columns.into_iter().flat_map(|columns| columns.values());
        self.may(who, (schema, table), privilege)
            || columns.any(|grants| who.is_granted(grants, privilege))
    }

    /// Whether somebody may do something with a schema.
    pub fn may_schema(&self, who: &Authority, schema: &str, privilege: Privilege) -> bool {
        let reads =
            privilege == Privilege::Usage && (who.has(READ_ALL_DATA) || who.has(WRITE_ALL_DATA));
        reads || who.superuser || who.is_granted(&self.schema_grants(schema), privilege)
    }

    /// Whether somebody may make others members of a role.
    pub fn may_administer(&self, who: &Authority, role: &str) -> bool {
        let admins = |member: &String| {
            let membership = self.roles.get(member).and_then(|member| member.member_of.get(role));
            membership.is_some_and(|membership| membership.admin)
        };
        who.superuser || who.roles.iter().any(admins)
    }
}
