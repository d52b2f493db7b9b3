{{ config(alias='mv_active_subscriptions') }}

{{ rows_for_reader(ref('mv_active_subscriptions')) }}
