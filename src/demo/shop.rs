//! What the company sells and where: words that events are made of.

/// Something on sale, with its price in hundredths.
pub(crate) type Product = (&'static str, i64);

/// All products, the popular ones first.
pub(crate) const PRODUCTS: &[Product] = &[
    ("water bottle", 1490),
    ("wool socks", 1800),
    ("head torch", 3995),
    ("rucksack 30 l", 11_900),
    ("rain jacket", 18_900),
    ("hiking boots", 16_990),
    ("gas stove", 5450),
    ("sleeping bag", 22_900),
    ("climbing rope 60 m", 14_900),
    ("two-person tent", 34_900),
    ("trekking poles", 7990),
    ("down jacket", 27_900),
    ("bicycle bag", 9400),
    ("map of the Pyrenees", 1280),
    ("thermos flask", 2990),
    ("inflatable canoe", 89_900),
    ("fleece hat \"Föhn\"", 2400),
    ("spork, titanium", 1150),
    ("expedition tent", 124_900),
    ("gift card", 5000),
];

/// Where orders are placed, the busy ones first.
pub(crate) const STORES: &[&str] =
    &["web", "app", "marketplace", "Berlin Mitte", "Łódź Piotrkowska", "東京本店"];

/// What people do on the site, by weight.
pub(crate) const EVENT_TYPES: &[(&str, u64)] = &[
    ("page_view", 46),
    ("product_view", 22),
    ("search", 10),
    ("add_to_cart", 7),
    ("login", 6),
    ("email_open", 4),
    ("checkout_start", 3),
    ("remove_from_cart", 2),
];

/// Segments that data brokers sell, the common ones first.
pub(crate) const SEGMENTS: &[&str] = &[
    "outdoor",
    "bargain hunter",
    "parent",
    "cyclist",
    "homeowner",
    "frequent flyer",
    "gardener",
    "gamer",
    "climber",
    "dog owner",
    "vegetarian",
    "night owl",
];

/// Income bands of data brokers.
pub(crate) const INCOME_BANDS: &[&str] = &["<20k", "20-40k", "40-70k", "70-120k", ">120k"];

/// Loyalty tiers, the lowest first.
pub(crate) const TIERS: &[&str] = &["bronze", "silver", "gold", "platinum"];

/// The currency that a country pays in.
pub(crate) fn currency(country: &str) -> &'static str {
    match country {
        "GB" => "GBP",
        "SE" => "SEK",
        "PL" => "PLN",
        "CZ" => "CZK",
        "JP" => "JPY",
        "US" | "VN" | "EG" | "IL" | "IN" => "USD",
        _ => "EUR",
    }
}
