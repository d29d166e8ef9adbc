//! Names, streets and cities, by culture, so that a person's name, home and language fit together.
//!
//! Each name stands beside its form in plain letters, which e-mail addresses are made of and which
//! sloppy sources write instead of the name. All of it is made up of everyday words; nobody is meant.

/// A name as its bearer writes it, and in plain letters.
pub(crate) type Name = (&'static str, &'static str);

/// What people of one place have in common.
pub(crate) struct Culture {
    /// ISO 639-1 code of the language.
    pub(crate) language: &'static str,
    /// ISO 3166-1 code of the country.
    pub(crate) country: &'static str,
    /// International dialling code.
    pub(crate) dialling_code: &'static str,
    /// First names.
    pub(crate) first_names: &'static [Name],
    /// Last names.
    pub(crate) last_names: &'static [Name],
    /// Streets; `#` stands for the house number.
    pub(crate) streets: &'static [&'static str],
    /// Cities with their postcodes; `#` stands for a digit.
    pub(crate) cities: &'static [(&'static str, &'static str)],
}

/// All cultures, the more frequent ones first.
pub(crate) const ALL: &[Culture] = &[
    Culture {
        language: "de",
        country: "DE",
        dialling_code: "49",
        first_names: &[
            ("Jürgen", "juergen"),
            ("Käthe", "kaethe"),
            ("Anna", "anna"),
            ("Jörg", "joerg"),
            ("Sofie", "sofie"),
            ("Leon", "leon"),
            ("Hans-Peter", "hanspeter"),
        ],
        last_names: &[
            ("Müller", "mueller"),
            ("Schäfer", "schaefer"),
            ("Groß", "gross"),
            ("Weber", "weber"),
            ("von der Heide", "vonderheide"),
            ("Köhler", "koehler"),
        ],
        streets: &["Hauptstraße #", "Gartenweg #", "Am Mühlbach #"],
        cities: &[
            ("Berlin", "10###"),
            ("München", "80###"),
            ("Köln", "50###"),
            ("Görlitz", "028##"),
        ],
    },
    Culture {
        language: "en",
        country: "GB",
        dialling_code: "44",
        first_names: &[
            ("Olivia", "olivia"),
            ("Noah", "noah"),
            ("Siân", "sian"),
            ("Zoë", "zoe"),
            ("Emma-Jane", "emmajane"),
            ("Callum", "callum"),
        ],
        last_names: &[
            ("O'Neil", "oneil"),
            ("Smith", "smith"),
            ("Brontë", "bronte"),
            ("Jones", "jones"),
            ("Fairweather", "fairweather"),
        ],
        streets: &["# High Street", "# Station Road", "Flat 2, # Mill Lane"],
        cities: &[("London", "EC1A #BB"), ("Leeds", "LS1 #AB"), ("Dún Laoghaire", "A96 X#Y#")],
    },
    Culture {
        language: "fr",
        country: "FR",
        dialling_code: "33",
        first_names: &[
            ("Élodie", "elodie"),
            ("François", "francois"),
            ("Chloé", "chloe"),
            ("Jean-Luc", "jeanluc"),
            ("Inès", "ines"),
        ],
        last_names: &[
            ("Dubois", "dubois"),
            ("Lefèvre", "lefevre"),
            ("D'Arc", "darc"),
            ("Noël", "noel"),
            ("Garçon", "garcon"),
        ],
        streets: &["# rue de la République", "# allée des Érables", "#bis, quai Nord"],
        cities: &[("Paris", "750##"), ("Besançon", "25###"), ("Saint-Étienne", "42###")],
    },
    Culture {
        language: "es",
        country: "ES",
        dialling_code: "34",
        first_names: &[
            ("Íñigo", "inigo"),
            ("Lucía", "lucia"),
            ("José", "jose"),
            ("Begoña", "begona"),
            ("Andrés", "andres"),
        ],
        last_names: &[
            ("Muñoz", "munoz"),
            ("López", "lopez"),
            ("Núñez", "nunez"),
            ("Fernández", "fernandez"),
            ("Ibáñez", "ibanez"),
        ],
        streets: &["Calle Mayor #", "Avenida del Río #", "Plaza de España #"],
        cities: &[("Madrid", "280##"), ("A Coruña", "15###"), ("Cádiz", "11###")],
    },
    Culture {
        language: "pl",
        country: "PL",
        dialling_code: "48",
        first_names: &[
            ("Łukasz", "lukasz"),
            ("Małgorzata", "malgorzata"),
            ("Żaneta", "zaneta"),
            ("Wojciech", "wojciech"),
        ],
        last_names: &[
            ("Wójcik", "wojcik"),
            ("Dąbrowska", "dabrowska"),
            ("Źrebiec", "zrebiec"),
            ("Nowak", "nowak"),
        ],
        streets: &["ul. Kwiatowa #", "ul. Źródlana #"],
        cities: &[("Łódź", "90-###"), ("Kraków", "30-###"), ("Gdańsk", "80-###")],
    },
    Culture {
        language: "sv",
        country: "SE",
        dialling_code: "46",
        first_names: &[
            ("Göran", "goran"),
            ("Åsa", "asa"),
            ("Søren", "soren"),
            ("Þóra", "thora"),
            ("Björn", "bjorn"),
        ],
        last_names: &[
            ("Åkesson", "akesson"),
            ("Öberg", "oberg"),
            ("Sjögren", "sjogren"),
            ("Ærø", "aero"),
        ],
        streets: &["Storgatan #", "Björkvägen #"],
        cities: &[("Malmö", "21# ##"), ("Umeå", "90# ##"), ("Tromsø", "90##")],
    },
    Culture {
        language: "cs",
        country: "CZ",
        dialling_code: "420",
        first_names: &[
            ("Tomáš", "tomas"),
            ("Václav", "vaclav"),
            ("Řehoř", "rehor"),
            ("Božena", "bozena"),
        ],
        last_names: &[
            ("Dvořák", "dvorak"),
            ("Nováková", "novakova"),
            ("Růžička", "ruzicka"),
            ("Šťastný", "stastny"),
        ],
        streets: &["Dlouhá #", "Náměstí Míru #"],
        cities: &[("Praha", "11# 00"), ("Plzeň", "30# 00"), ("Brno", "60# 00")],
    },
    Culture {
        language: "tr",
        country: "TR",
        dialling_code: "90",
        first_names: &[
            ("Uğur", "ugur"),
            ("Işıl", "isil"),
            ("Çağla", "cagla"),
            ("İbrahim", "ibrahim"),
        ],
        last_names: &[
            ("Yılmaz", "yilmaz"),
            ("Öztürk", "ozturk"),
            ("Şahin", "sahin"),
            ("Güneş", "gunes"),
        ],
        streets: &["Gül Sokak No: #", "İstiklâl Cd. #"],
        cities: &[("İstanbul", "34###"), ("İzmir", "35###"), ("Muğla", "48###")],
    },
    Culture {
        language: "el",
        country: "GR",
        dialling_code: "30",
        first_names: &[("Αλέξης", "alexis"), ("Ελένη", "eleni"), ("Γιώργος", "giorgos")],
        last_names: &[
            ("Παπαδόπουλος", "papadopoulos"),
            ("Γεωργίου", "georgiou"),
            ("Οικονόμου", "oikonomou"),
        ],
        streets: &["Οδός Ερμού #", "Λεωφόρος Νίκης #"],
        cities: &[("Αθήνα", "105 ##"), ("Θεσσαλονίκη", "546 ##")],
    },
    Culture {
        language: "uk",
        country: "UA",
        dialling_code: "380",
        first_names: &[("Ольга", "olha"), ("Дмитро", "dmytro"), ("Їванка", "yivanka")],
        last_names: &[
            ("Шевченко", "shevchenko"),
            ("Ковальчук", "kovalchuk"),
            ("Щербак", "shcherbak"),
        ],
        streets: &["вул. Садова, #", "просп. Миру, #"],
        cities: &[("Київ", "010##"), ("Львів", "790##"), ("Одеса", "650##")],
    },
    Culture {
        language: "ja",
        country: "JP",
        dialling_code: "81",
        first_names: &[("さくら", "sakura"), ("健太", "kenta"), ("ユキ", "yuki")],
        last_names: &[("田中", "tanaka"), ("渡邊", "watanabe"), ("小野寺", "onodera")],
        streets: &["中央#丁目", "本町#-1"],
        cities: &[("東京", "100-00##"), ("大阪", "530-00##"), ("札幌市", "060-00##")],
    },
    Culture {
        language: "zh",
        country: "CN",
        dialling_code: "86",
        first_names: &[("伟", "wei"), ("秀兰", "xiulan"), ("静", "jing")],
        last_names: &[("王", "wang"), ("李", "li"), ("欧阳", "ouyang")],
        streets: &["人民路#号", "中山路#号"],
        cities: &[("北京", "1000##"), ("上海", "2000##"), ("成都", "6100##")],
    },
    Culture {
        language: "ko",
        country: "KR",
        dialling_code: "82",
        first_names: &[("민준", "minjun"), ("서연", "seoyeon"), ("하윤", "hayun")],
        last_names: &[("김", "kim"), ("박", "park"), ("선우", "sunwoo")],
        streets: &["중앙로 #", "해변길 #"],
        cities: &[("서울", "045##"), ("부산", "480##")],
    },
    Culture {
        language: "ar",
        country: "EG",
        dialling_code: "20",
        first_names: &[("محمد", "mohamed"), ("فاطمة", "fatima"), ("ليلى", "layla")],
        last_names: &[("حسن", "hassan"), ("الشريف", "elsherif"), ("عبد الله", "abdallah")],
        streets: &["شارع النيل #", "# شارع الجمهورية"],
        cities: &[("القاهرة", "115##"), ("الإسكندرية", "215##")],
    },
    Culture {
        language: "hi",
        country: "IN",
        dialling_code: "91",
        first_names: &[("प्रिया", "priya"), ("अर्जुन", "arjun"), ("नेहा", "neha")],
        last_names: &[("शर्मा", "sharma"), ("गुप्ता", "gupta"), ("सिंह", "singh")],
        streets: &["गांधी मार्ग #", "# नेहरू नगर"],
        cities: &[("दिल्ली", "1100##"), ("मुंबई", "4000##")],
    },
    Culture {
        language: "vi",
        country: "VN",
        dialling_code: "84",
        first_names: &[("Thị Hương", "huong"), ("Đức", "duc"), ("Quỳnh", "quynh")],
        last_names: &[("Nguyễn", "nguyen"), ("Trần", "tran"), ("Đặng", "dang")],
        streets: &["# Đường Lê Lợi", "# Phố Huế"],
        cities: &[("Hà Nội", "1000##"), ("Đà Nẵng", "5500##")],
    },
    Culture {
        language: "he",
        country: "IL",
        dialling_code: "972",
        first_names: &[("נועה", "noa"), ("דוד", "david")],
        last_names: &[("כהן", "cohen"), ("לוי", "levi")],
        streets: &["רחוב הרצל #"],
        cities: &[("תל אביב", "61#####"), ("חיפה", "31#####")],
    },
    Culture {
        language: "en",
        country: "US",
        dialling_code: "1",
        first_names: &[
            ("👩‍🚀 Ada", "ada"),
            ("Renée", "renee"),
            ("Liam", "liam"),
            ("Ma\u{301}ire", "maire"),
        ],
        last_names: &[
            ("Gonzalez-Reyes", "gonzalezreyes"),
            ("Null", "nullman"),
            ("St. John", "stjohn"),
        ],
        streets: &["# Elm St", "PO Box #"],
        cities: &[("New York", "100##"), ("San José", "951##"), ("Oʻahu", "968##")],
    },
];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_culture_is_complete() {
        for culture in ALL {
            for (name, plain) in culture.first_names.iter().chain(culture.last_names) {
                let letters = plain.bytes().all(|byte| byte.is_ascii_lowercase());
                assert!(!name.trim().is_empty() && letters && !plain.is_empty(), "{name} {plain}");
            }
            assert!(culture.streets.iter().all(|street| street.contains('#')));
            assert!(culture.cities.iter().all(|(_, postcode)| postcode.contains('#')));
            assert_eq!((culture.language.len(), culture.country.len()), (2, 2));
        }
    }
}
