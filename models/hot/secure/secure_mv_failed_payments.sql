{{ config(alias='mv_failed_payments') }}

{{ rows_for_reader(ref('mv_failed_payments')) }}
