//! What the company sells and where: words that events are made of.

/// Something on sale, with its price in hundredths.
pub(crate) type Product = (&'static str, i64);

/// All products, the popular ones first.
pub(crate) const PRODUCTS: &[Product] = &[
    ("water bottle", 14_90),
    ("wool socks", 18_00),
    ("head torch", 39_95),
    ("rucksack 30 l", 119_00),
    ("rain jacket", 189_00),
    ("hiking boots", 169_90),
    ("gas stove", 54_50),
    ("sleeping bag", 229_00),
    ("climbing rope 60 m", 149_00),
    ("two-person tent", 349_00),
    ("trekking poles", 79_90),
    ("down jacket", 279_00),
    ("bicycle bag", 94_00),
    ("map of the Pyrenees", 12_80),
    ("thermos flask", 29_90),
    ("inflatable canoe", 899_00),
    ("fleece hat \"Föhn\"", 24_00),
    ("spork, titanium", 11_50),
    ("expedition tent", 1_249_00),
    ("gift card", 50_00),
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
