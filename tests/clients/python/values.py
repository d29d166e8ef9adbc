"""Values of every type, as SQL writes them and as Python drivers give them."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

UTC = timezone.utc

# name, SQL, OID, value
VALUES = [
    ("bool", "true", 16, True),
    ("int2", "7::int2", 21, 7),
    ("int4", "7", 23, 7),
    ("int8", "9000000000", 20, 9000000000),
    ("int4 negative", "-2147483648", 23, -2147483648),
    ("float4", "1.5::float4", 700, 1.5),
    ("float8", "0.1::float8", 701, 0.1),
    ("float8 infinity", "'-Infinity'::float8", 701, float("-inf")),
    ("numeric", "12345.67::numeric(12,2)", 1700, Decimal("12345.67")),
    ("numeric zero scale", "100::numeric", 1700, Decimal("100")),
    ("numeric small", "0.000001", 1700, Decimal("0.000001")),
    ("numeric negative", "-0.05::numeric(12,2)", 1700, Decimal("-0.05")),
    ("text", "'Zoë 日本'::text", 25, "Zoë 日本"),
    ("text empty", "''::text", 25, ""),
    ("text of a literal", "'plain'", 25, "plain"),
    ("varchar", "'abc'::varchar(10)", 1043, "abc"),
    ("date", "date '2026-01-31'", 1082, date(2026, 1, 31)),
    ("date before 2000", "date '1969-07-20'", 1082, date(1969, 7, 20)),
    ("timestamp", "timestamp '2026-01-31 10:11:12.345678'", 1114, datetime(2026, 1, 31, 10, 11, 12, 345678)),
    ("timestamptz", "timestamptz '2026-01-31 10:11:12+02'", 1184, datetime(2026, 1, 31, 8, 11, 12, tzinfo=UTC)),
    ("time", "time '10:11:12.5'", 1083, time(10, 11, 12, 500000)),
    ("interval", "interval '1 day 02:03:04'", 1186, timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", 2950, UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("bytea", "'\\x0001ff'::bytea", 17, b"\x00\x01\xff"),
    ("json", """'{"a": [1, null, "x"]}'::json""", 114, {"a": [1, None, "x"]}),
    ("jsonb", """'{"a": [1, null, "x"]}'::jsonb""", 3802, {"a": [1, None, "x"]}),
    ("int4[]", "ARRAY[1, 2]", 1007, [1, 2]),
    ("int8[]", "ARRAY[1, NULL]::bigint[]", 1016, [1, None]),
    ("text[]", "ARRAY['a b', NULL, '\"q\"']", 1009, ["a b", None, '"q"']),
    ("text[] empty", "'{}'::text[]", 1009, []),
    ("null", "NULL::int", 23, None),
    ("oid", "23::oid", 26, 23),
    ("name", "'abc'::name", 19, "abc"),
]

# SQL of an error, its SQLSTATE, its class in drivers.
ERRORS = [
    ("missing table", "SELECT * FROM nothing_here", "42P01", "UndefinedTable"),
    ("missing column", "SELECT nothing FROM profiles", "42703", "UndefinedColumn"),
    ("missing function", "SELECT nothing(1)", "42883", "UndefinedFunction"),
    ("syntax", "SELEC 1", "42601", "SyntaxError"),
    ("ambiguous column", "SELECT email FROM profiles a, profiles b", "42702", "AmbiguousColumn"),
    ("ungrouped column", "SELECT city, visits FROM profiles GROUP BY city", "42803", "GroupingError"),
    ("division by zero", "SELECT 1 / 0", "22012", "DivisionByZero"),
    ("no number", "SELECT 'x'::int", "22P02", "InvalidTextRepresentation"),
    ("no date", "SELECT 'x'::date", "22007", "InvalidDatetimeFormat"),
    ("date out of range", "SELECT '2026-02-30'::date", "22008", "DatetimeFieldOverflow"),
    ("number out of range", "SELECT 99999999999::int", "22003", "NumericValueOutOfRange"),
    ("missing setting", "SHOW nothing_at_all", "42704", "UndefinedObject"),
    ("missing type", "SELECT 1::nothing", "42704", "UndefinedObject"),
    ("type mismatch", "SELECT 1 + true", "42883", "UndefinedFunction"),
    ("several rows", "SELECT (SELECT visits FROM profiles)", "21000", "CardinalityViolation"),
]
