-- Bias KPI by age decile: the demographic parity gap.
--
-- One row per decile of age, with the columns that relgate's athena source needs:
-- decile, n, positives, newest; and kpi, which it compares with its own result.
--
-- Definition. In each decile: the share of the release's users with a positive
-- prediction. The KPI is the highest share minus the lowest. It is not the equal
-- opportunity gap, because the true outcomes are not known at release time. A
-- user counts once, with the newest prediction. Predictions without an age do not
-- count.
--
-- Deciles. The edges are those of the baseline population, frozen when the plan
-- was written (2025-05-30): lo is included, hi is not. They are not computed from
-- the release's own users: such deciles would move with the traffic and could not
-- be compared between releases. NTILE would put people of one age into two
-- deciles. To compute new edges:
--   SELECT approx_percentile(age, ARRAY[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) FROM baseline
--
-- An empty decile gives a row with n = 0, and kpi is NULL in every row. There is
-- no gap then, but relgate gets the other counts and says which decile is empty.
--
-- Table. predictions (user_id, age number, predicted_label 0 or 1, event_time
-- timestamp in UTC, event_date date and partition, release_version varchar).
--
-- Parameter 1: the release's version, a string with its own quotes, '1.0.0'.
-- The date limits what is scanned: two days contain the whole rollout.
WITH edges (decile, lo, hi) AS (
  VALUES
    (1, 0, 24),
    (2, 24, 29),
    (3, 29, 33),
    (4, 33, 38),
    (5, 38, 43),
    (6, 43, 48),
    (7, 48, 54),
    (8, 54, 60),
    (9, 60, 68),
    (10, 68, 130)
),
predicted AS (
  SELECT
    user_id,
    age,
    predicted_label,
    event_time,
    row_number() OVER (PARTITION BY user_id ORDER BY event_time DESC, predicted_label DESC) AS nth
  FROM predictions
  WHERE release_version = ?
    AND event_date >= current_date - INTERVAL '2' DAY
    AND age IS NOT NULL
    AND predicted_label IS NOT NULL
),
counted AS (
  SELECT
    e.decile,
    count(p.user_id) AS n,
    coalesce(sum(CASE WHEN p.predicted_label = 1 THEN 1 ELSE 0 END), 0) AS positives,
    max(p.event_time) AS newest
  FROM edges e
  LEFT JOIN predicted p ON p.nth = 1 AND p.age >= e.lo AND p.age < e.hi
  GROUP BY e.decile
)
SELECT
  decile,
  n,
  positives,
  newest,
  CASE
    WHEN min(n) OVER () = 0 THEN NULL
    ELSE max(CAST(positives AS double) / nullif(n, 0)) OVER ()
       - min(CAST(positives AS double) / nullif(n, 0)) OVER ()
  END AS kpi
FROM counted
ORDER BY decile
