//! A person as they are: what no source knows in full and every source knows something of.
//!
//! Things that change (address, e-mail, last name) are functions of time, so that two sources disagree
//! simply because one has asked earlier.

use crate::demo::calendar::{Micros, YEAR_END, YEAR_START};
use crate::demo::cultures::{self, Culture, Name};
use crate::demo::random::{Dice, Shuffle};
use crate::demo::{Company, PEOPLE_MAX};

/// The e-mail address under which a reseller orders for many people: the hub of the sample.
pub(crate) const RESELLER_EMAIL: &str = "orders@reseller.example";

/// One person in so many buys through the reseller.
const PEOPLE_PER_RESELLER_CUSTOMER: u64 = 500;

/// The most people behind the reseller's address.
const RESELLER_CUSTOMERS_MAX: u64 = 200;

/// People in a chain: each shares an address with one neighbour and a telephone with the other. Even.
pub(crate) const CHAIN_PEOPLE: u64 = 16;

/// One chain per so many people.
const PEOPLE_PER_CHAIN: u64 = 1000;

/// The most chains.
const CHAINS_MAX: u64 = 4;

/// Share of people with an entry in the customer database, in thousandths.
const CRM_PER_MILLE: u64 = 900;

const DOMAINS: &[&str] =
    &["mail.example", "post.example", "web.example", "inbox.example", "work.example"];

impl Company {
    pub(crate) fn dice(self) -> Dice {
        Dice::new(self.seed)
    }

    /// A person by number, 0 to `people - 1`.
    pub(crate) fn person(self, number: u64) -> Person {
        Person { company: self, number, dice: self.dice().of("person").at(number) }
    }

    /// The `place`th of the people that a source knows, who are so many in a thousand.
    pub(crate) fn member(self, source: &str, place: u64, per_mille: u64) -> Person {
        let known = self.share(per_mille);
        self.person(self.members(source).at(place % known))
    }

    /// Someone: a few are far more active than most.
    pub(crate) fn active_person(self, dice: Dice) -> Person {
        let place = dice.of("who").skewed(self.people);
        self.person(Shuffle::new(self.dice().of("activity"), self.people).at(place))
    }

    /// An entry of the customer database. Its people are the first ones, so that the hub and the chains,
    /// which are the very first, are all in it.
    pub(crate) fn customer(self, place: u64) -> Person {
        let known = self.share(CRM_PER_MILLE);
        self.person(Shuffle::new(self.dice().of("customers"), known).at(place % known))
    }

    fn members(self, source: &str) -> Shuffle {
        Shuffle::new(self.dice().of("members").of(source), self.people)
    }

    fn share(self, per_mille: u64) -> u64 {
        (self.people * per_mille / 1000).max(1)
    }

    pub(crate) fn reseller_customers(self) -> u64 {
        (self.people / PEOPLE_PER_RESELLER_CUSTOMER).min(RESELLER_CUSTOMERS_MAX)
    }

    /// Numbers of the people in chains, chain after chain.
    pub(crate) fn chained(self) -> std::ops::Range<u64> {
        let start = self.reseller_customers().next_multiple_of(2);
        start..start + (self.people / PEOPLE_PER_CHAIN).min(CHAINS_MAX) * CHAIN_PEOPLE
    }
}

/// A person.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    company: Company,
    pub(crate) number: u64,
    pub(crate) dice: Dice,
}

/// Where somebody lives.
pub(crate) struct Home {
    pub(crate) street: String,
    pub(crate) city: &'static str,
    pub(crate) postcode: String,
    pub(crate) country: &'static str,
}

impl Person {
    fn culture(&self) -> &'static Culture {
        let cultures = cultures::ALL;
        &cultures[self.dice.of("culture").skewed(cultures.len() as u64) as usize]
    }

    /// Whether the customer database knows them.
    pub(crate) fn is_customer(&self) -> bool {
        self.number < self.company.share(CRM_PER_MILLE)
    }

    /// Whether a source knows them, as [`Company::member`].
    pub(crate) fn is_member(&self, source: &str, per_mille: u64) -> bool {
        let place = self.company.members(source).place_of(self.number);
        place < self.company.share(per_mille)
    }

    /// Whether they buy through the reseller.
    pub(crate) fn is_reseller_customer(&self) -> bool {
        self.number < self.company.reseller_customers()
    }

    /// Whether they are one of those whom the sample holds together on purpose.
    pub(crate) fn is_in_hub_or_chain(&self) -> bool {
        self.is_reseller_customer() || self.is_chained()
    }

    /// Whether they are one of a chain.
    pub(crate) fn is_chained(&self) -> bool {
        self.company.chained().contains(&self.number)
    }

    /// Whether something about them, which changes for so many in a thousand, has changed by then.
    fn has_changed(&self, what: &str, per_mille: u64, at: Micros) -> bool {
        let dice = self.dice.of("change").of(what);
        let moment = YEAR_START + dice.of("when").below((YEAR_END - YEAR_START) as u64) as Micros;
        !self.is_chained() && dice.per_mille(per_mille) && moment <= at
    }

    pub(crate) fn first_name(&self) -> Name {
        self.dice.of("first name").choose(self.culture().first_names)
    }

    /// 3 % change it within the year.
    pub(crate) fn last_name(&self, at: Micros) -> Name {
        let married = u64::from(self.has_changed("last name", 30, at));
        self.dice.of("last name").at(married).choose(self.culture().last_names)
    }

    pub(crate) fn language(&self) -> &'static str {
        self.culture().language
    }

    /// Days since 1970: born from 1935 to 2006.
    pub(crate) fn birth_date(&self) -> i32 {
        self.dice.of("birth date").below(26_000) as i32 - 12_784
    }

    /// 15 % move within the year, and one home in ten is abroad.
    pub(crate) fn home(&self, at: Micros) -> Home {
        let dice = self.dice.of("home").at(u64::from(self.has_changed("home", 150, at)));
        let abroad = dice.of("abroad").per_mille(100);
        let anywhere = dice.of("anywhere").below(cultures::ALL.len() as u64) as usize;
        let culture = if abroad { &cultures::ALL[anywhere] } else { self.culture() };
        let number = 1 + dice.of("house number").skewed(240);
        let (city, postcode) = dice.of("city").choose(culture.cities);
        Home {
            street: dice.of("street").choose(culture.streets).replace('#', &number.to_string()),
            city,
            postcode: with_digits(postcode, dice.of("postcode")),
            country: culture.country,
        }
    }

    /// Whose e-mail address they use: in a chain every second one's.
    fn mailbox_owner(&self) -> Self {
        if self.is_chained() { self.company.person(self.number & !1) } else { *self }
    }

    /// 8 % change it within the year.
    pub(crate) fn email(&self, at: Micros) -> String {
        let owner = self.mailbox_owner();
        let (first, last) = (owner.first_name().1, owner.last_name(YEAR_START - 1).1);
        let changed = owner.has_changed("e-mail", 80, at);
        let domain = owner.dice.of("domain").at(u64::from(changed)).choose(DOMAINS);
        // The number makes it theirs alone, the point before it the new one another than the old.
        let point = if changed { "." } else { "" };
        format!("{first}.{last}{point}{}@{domain}", owner.number)
    }

    /// Whose telephone they use: in a chain the next even one's, otherwise one in a hundred a neighbour's.
    fn phone_owner(&self) -> Self {
        let chained = self.company.chained();
        if !chained.contains(&self.number) {
            return self.or_neighbour("phone", 20);
        }
        let place = (self.number - chained.start) % CHAIN_PEOPLE;
        let last = place + 1 == CHAIN_PEOPLE;
        let number = if last { self.number } else { self.number.next_multiple_of(2) };
        self.company.person(number)
    }

    /// The neighbour before, for so many in a thousand of every second person; never in hub or chains.
    fn or_neighbour(&self, what: &str, per_mille: u64) -> Self {
        let free = self.number % 2 == 1 && self.number >= self.company.chained().end;
        let shared = free && self.dice.of("shared").of(what).per_mille(per_mille);
        if shared { self.company.person(self.number - 1) } else { *self }
    }

    /// International, without spaces.
    pub(crate) fn phone(&self) -> String {
        let owner = self.phone_owner();
        format!("+{}{:09}", owner.culture().dialling_code, owner.unique("phone", 1_000_000_000))
    }

    pub(crate) fn crm_id(&self) -> String {
        format!("C{:08}", self.unique("customer number", PEOPLE_MAX))
    }

    pub(crate) fn loyalty_id(&self) -> String {
        format!("70{:08}", self.unique("card number", PEOPLE_MAX))
    }

    /// A number below `end` that nobody else has.
    fn unique(&self, what: &str, end: u64) -> u64 {
        Shuffle::new(self.company.dice().of("unique").of(what), end).at(self.number)
    }

    /// How many browsers they use over the year.
    pub(crate) fn cookie_count(&self) -> u64 {
        match self.dice.of("cookies").below(100) {
            0..50 => 1,
            50..75 => 2,
            75..90 => 3,
            _ => 4,
        }
    }

    /// The cookie of one of their browsers; three in two hundred share the first with a neighbour.
    pub(crate) fn cookie(&self, number: u64) -> String {
        let owner = if number == 0 { self.or_neighbour("cookie", 30) } else { *self };
        cookie(owner.dice.of("cookie").at(number))
    }

    /// The identifier of their telephone as apps see it; some have a second one.
    pub(crate) fn device_id(&self, number: u64) -> String {
        let dice = self.dice.of("device").at(number);
        let (high, low) = (dice.of("high").bits(), dice.of("low").bits());
        let parts = [high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48];
        let [a, b, c, d] = parts;
        format!("{a:08X}-{b:04X}-{c:04X}-{d:04X}-{:012X}", low & 0xFFFF_FFFF_FFFF)
    }
}

/// A cookie that these dice alone give.
pub(crate) fn cookie(dice: Dice) -> String {
    format!("{:016x}{:016x}", dice.of("high").bits(), dice.of("low").bits())
}

fn with_digits(pattern: &str, dice: Dice) -> String {
    let digit = |at| char::from(b'0' + dice.at(at).below(10) as u8);
    let fill = |(at, character)| if character == '#' { digit(at) } else { character };
    (0..).zip(pattern.chars()).map(fill).collect()
}
