{{ config(alias='mv_current_occupancy') }}

{{ rows_for_reader(ref('mv_current_occupancy')) }}
