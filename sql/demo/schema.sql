-- The sample company's definitions: run by `selfsame demo`, and worth reading as an example of your own.

-- Namespaces: kinds of identifiers. Rank 1 is the most trusted.
CREATE NAMESPACE crm_id       KIND PERSON RANK 1;
CREATE NAMESPACE loyalty_id   KIND PERSON RANK 2;
CREATE NAMESPACE email        KIND EMAIL  RANK 3 NORMALIZE email
    BLOCK ('test@test.com', 'noreply@example.com');
CREATE NAMESPACE phone        KIND PHONE  RANK 4 NORMALIZE phone;
CREATE NAMESPACE email_sha256 KIND EMAIL  RANK 5 NORMALIZE lower;
CREATE NAMESPACE device_id    KIND DEVICE RANK 6 NORMALIZE lower;
CREATE NAMESPACE ecid         KIND COOKIE RANK 7;

-- Record datasets: what each source says about a person. A column is an attribute of the merged
-- profile, under its own name or that after ATTRIBUTE; columns of one name are one attribute.

-- Customers as the sales department keeps them.
CREATE DATASET crm (
    crm_id         TEXT IDENTITY crm_id,
    email          TEXT IDENTITY email,
    phone          TEXT IDENTITY phone,
    email_sha256   TEXT IDENTITY email_sha256,
    fname          TEXT ATTRIBUTE first_name,
    lname          TEXT ATTRIBUTE last_name,
    street         TEXT,
    city           TEXT,
    postcode       TEXT,
    country        TEXT,
    birth_date     DATE,
    lifetime_value NUMERIC(12,2),
    email_consent  BOOLEAN,
    sms_consent    BOOLEAN,
    language       TEXT,
    updated_at     TIMESTAMPTZ OBSERVED AT
);

-- Members of the loyalty club and their points.
CREATE DATASET loyalty (
    member_no      TEXT IDENTITY loyalty_id ATTRIBUTE loyalty_id,
    mail           TEXT IDENTITY email ATTRIBUTE email,
    given_name     TEXT ATTRIBUTE first_name,
    family_name    TEXT ATTRIBUTE last_name,
    street         TEXT,
    city           TEXT,
    postcode       TEXT,
    country        TEXT,
    tier           TEXT,
    points         INTEGER,
    email_consent  BOOLEAN,
    joined_on      DATE,
    updated_at     TIMESTAMPTZ OBSERVED AT
);

-- Browsers as the site remembers them.
CREATE DATASET web_profile (
    ecid           TEXT IDENTITY ecid,
    email          TEXT IDENTITY email,
    language       TEXT,
    country        TEXT,
    geo_city       TEXT,
    device_type    TEXT,
    last_page      TEXT,
    page_views     BIGINT,
    push_enabled   BOOLEAN,
    updated_at     TIMESTAMPTZ OBSERVED AT
);

-- Segments bought from a data broker, who knows people by a digest of their e-mail address.
CREATE DATASET third_party (
    email_sha256   TEXT IDENTITY email_sha256,
    phone          TEXT IDENTITY phone,
    segments       TEXT[],
    income_band    TEXT,
    interest_score DOUBLE PRECISION,
    updated_at     TIMESTAMPTZ OBSERVED AT
);

-- Event datasets: what happened. Events are not merged; they follow the person.

-- Clicks on the site and in the app.
CREATE EVENT DATASET web_events (
    click_id       TEXT EVENT ID,
    ecid           TEXT IDENTITY ecid,
    email          TEXT IDENTITY email,
    device_id      TEXT IDENTITY device_id,
    event_type     TEXT,
    product        TEXT,
    url            TEXT,
    value          NUMERIC(10,2),
    clicked_at     TIMESTAMPTZ OBSERVED AT,
    received_at    TIMESTAMPTZ
);

-- Orders of shops, site and app.
CREATE EVENT DATASET purchases (
    order_no       TEXT EVENT ID,
    email          TEXT IDENTITY email,
    crm_id         TEXT IDENTITY crm_id,
    loyalty_id     TEXT IDENTITY loyalty_id,
    ecid           TEXT IDENTITY ecid,
    product        TEXT,
    quantity       INTEGER,
    amount         NUMERIC(12,2),
    currency       TEXT,
    store          TEXT,
    ordered_at     TIMESTAMPTZ OBSERVED AT,
    received_at    TIMESTAMPTZ
);

-- Merge policies: how conflicts between sources end. The built-in policy `latest` lets the newest
-- value win; this one knows the sources. `profiles` shows the former, `profiles_by.trusted` this one.
CREATE MERGE POLICY trusted
    FROM crm, loyalty, web_profile, third_party
    MERGE BY latest
    MERGE first_name, last_name, country BY precedence(crm, loyalty)
    MERGE (street, city, postcode) BY latest
    MERGE email_consent BY most_restrictive
    MERGE sms_consent, push_enabled BY any_true
    MERGE language BY most_frequent
    MERGE segments BY collect_set
    MERGE lifetime_value, interest_score BY max
    MERGE points, page_views BY sum;
