-- links that rows or stewards name but that a rule or a decision overrules: who is kept apart, and why
-- rule: unique <namespace>, capacity or unlinked
-- left_profile_id: the person of the left identity
-- left_namespace: namespace of the one that was seen first
-- left_identity: the one that was seen first
-- right_profile_id: the person of the right identity; the same if other links connect the two
-- right_namespace: namespace of the other
-- right_identity: the other
-- datasets: datasets with rows that name both
-- evidence_count: rows that name both
-- last_seen_at: latest observed_at of such a row
SELECT
    reason AS rule,
    profile_id AS left_profile_id,
    left_namespace,
    left_identity,
    profile_of(right_namespace, right_identity) AS right_profile_id,
    right_namespace,
    right_identity,
    datasets,
    evidence_count,
    last_seen_at
FROM identity_links
WHERE NOT live
