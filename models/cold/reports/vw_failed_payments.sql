-- Grain: that of rpt_failed_payments; the rows of the garages that the reader may see.
{{ config(materialized='view', secure=true) }}

{{ rows_of_own_garages(ref('rpt_failed_payments')) }}
