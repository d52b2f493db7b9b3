{{ config(alias='mv_current_month_metrics') }}

{{ rows_for_reader(ref('mv_current_month_metrics')) }}
