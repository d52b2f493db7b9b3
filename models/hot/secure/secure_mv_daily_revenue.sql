{{ config(alias='mv_daily_revenue') }}

{{ rows_for_reader(ref('mv_daily_revenue')) }}
