-- Grain: that of rpt_cohort_retention; the rows of the garages that the reader may see.
{{ config(materialized='view', secure=true) }}

{{ rows_of_own_garages(ref('rpt_cohort_retention')) }}
