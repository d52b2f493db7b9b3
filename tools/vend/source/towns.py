"""What things are called: cities and their prices, streets, people, and text that breaks careless loaders."""

CITIES = (
    # city, state, zip, dollars a month for a plain pass
    ("New York", "NY", "10006", 420),
    ("San Francisco", "CA", "94105", 360),
    ("Boston", "MA", "02110", 340),
    ("Washington", "DC", "20001", 270),
    ("Chicago", "IL", "60601", 260),
    ("Seattle", "WA", "98101", 250),
    ("Los Angeles", "CA", "90012", 220),
    ("Philadelphia", "PA", "19103", 230),
    ("Honolulu", "HI", "96813", 240),
    ("Miami", "FL", "33131", 180),
    ("Austin", "TX", "78701", 170),
    ("Denver", "CO", "80202", 175),
    ("Atlanta", "GA", "30303", 140),
    ("Minneapolis", "MN", "55402", 165),
    ("Portland", "OR", "97204", 160),
    ("Dallas", "TX", "75201", 150),
    ("Houston", "TX", "77002", 145),
    ("Nashville", "TN", "37203", 150),
    ("Charlotte", "NC", "28202", 130),
    ("Baltimore", "MD", "21202", 150),
    ("Phoenix", "AZ", "85004", 95),
    ("St. Louis", "MO", "63101", 100),
    ("Kansas City", "MO", "64105", 90),
    ("Detroit", "MI", "48226", 120),
    ("Cleveland", "OH", "44113", 125),
    ("Columbus", "OH", "43215", 110),
    ("Indianapolis", "IN", "46204", 105),
    ("Milwaukee", "WI", "53202", 115),
    ("New Orleans", "LA", "70112", 130),
    ("Salt Lake City", "UT", "84101", 100),
    ("Las Vegas", "NV", "89101", 85),
    ("Pittsburgh", "PA", "15222", 160),
    ("Omaha", "NE", "68102", 80),
    ("Richmond", "VA", "23219", 110),
    ("Hartford", "CT", "06103", 135),
    ("Providence", "RI", "02903", 140),
    ("Newark", "NJ", "07102", 190),
    ("Boise", "ID", "83702", 85),
    ("Anchorage", "AK", "99501", 90),
    ("Albuquerque", "NM", "87102", 70),
)

STREETS = (
    "Main", "Elm", "Oak", "Market", "Harbor", "Commerce", "Church", "Broad", "Pine", "Walnut", "Lake", "Mill",
    "Union", "River", "Franklin", "Jackson", "Spring", "Front", "Court", "Cedar", "Washington", "Park",
)  # fmt: skip

SUFFIXES = ("St", "Ave", "Blvd", "Street", "Pkwy")

GARAGE_KINDS = ("Garage", "Parking", "Plaza Parking", "Parkade", "Car Park")

PASSES = (
    # name, description, price as a multiple of the city's
    ("Nights & Weekends", "After 17:00, and all day Saturday and Sunday.", 0.55),
    ("Monthly", "Any free space, any day.", 1.0),
    ("Monthly Reserved", "Your own numbered space.", 1.55),
    ("24/7 Reserved + EV", "Numbered space with a charger, in and out at any hour.", 2.4),
)

FIRST_NAMES = (
    "James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth",
    "William", "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Sarah", "Carlos", "Karen",
    "José", "Lisa", "Daniel", "Nancy", "Wei", "Aisha", "Mateo", "Olivia", "Raj", "Priya", "Ahmed", "Sofía",
    "Liam", "Emma", "Noah", "Ava", "Chloë", "Zoë", "Björn", "Mei", "Yuki", "Fatima", "Ivan", "Nia",
)  # fmt: skip

LAST_NAMES = (
    "Smith", "Johnson", "Williams", "Brown", "Jones", "García", "Miller", "Davis", "Rodríguez", "Martínez",
    "Hernández", "López", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee",
    "Pérez", "Thompson", "White", "Harris", "Sánchez", "Clark", "Ramírez", "Lewis", "Robinson", "Nguyễn",
    "O'Neill", "D'Angelo", "Kim", "Patel", "Chen", "Wang", "Müller", "Kowalski", "Singh", "van der Berg",
)  # fmt: skip

AWKWARD = (
    "\\N",
    'Anne "Nan" Lee',
    "Doe, John",
    "O'Brien; drop table users; --",
    "two\nlines",
    "carriage\r\nreturn",
    "tab\tinside",
    "back\\slash \\. \\t",
    "  padded  ",
    "",
    "NULL",
    "Мария Ивановна",
    "王小明",
    "مرحبا",
    "🚗 parker 👩‍👩‍👧",
    "e\u0301 and é",
    "{}",
    "100%",
)
"""Values that a loader gets wrong when it quotes, splits, trims or decodes by hand. At most 32 characters."""
