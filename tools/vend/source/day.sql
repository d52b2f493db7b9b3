-- A day of business. The day is the temporary table `today`: opened and closed (naive UTC) and a salt.
-- Each statement is one kind of event, named in the line `--: ` above it; names in brackets only prepare.
-- What an event falls on is drawn by hashing its id with the salt: the same day gives the same business.

--: [draw]
create or replace function pg_temp.draw(what text, salt text) returns double precision
language sql immutable
return ('x' || substr(md5(what || salt), 1, 12))::bit(48)::bigint / 281474976710656.0;

--: [key]
create or replace function pg_temp.key(what text, salt text) returns uuid
language sql immutable
return md5(what || salt)::uuid;

--: [fee]
create or replace function pg_temp.fee(amount numeric) returns numeric
language sql immutable
return round(amount * 0.029 + 0.30, 2);

--: [moment]
create or replace function pg_temp.moment(what text, salt text, since timestamp, until timestamp) returns timestamp
language sql immutable
return least(since, until) + (until - least(since, until)) * pg_temp.draw(what, salt || 'moment');

--: [garage_currency]
create temporary table garage_currency on commit drop as
select garages.id as garage_id, coalesce(latest.currency, 'usd') as currency
from garages
left join lateral (
    select payments.currency
    from payments
    where payments.garage_id = garages.id
    order by payments.payment_date desc
    limit 1
) as latest on true;

--: price_changes
with
chosen as materialized (
    select
        passes.id,
        passes.monthly_amount as old_price,
        passes.stripe_price_id as old_stripe_price_id,
        round(passes.monthly_amount * (1.02 + 0.06 * pg_temp.draw(passes.id::text, today.salt || 'price'))::numeric)
        + 0.50 as new_price,
        'price_' || left(md5(passes.id::text || today.salt), 18) as new_stripe_price_id,
        pg_temp.moment(passes.id::text, today.salt, greatest(today.opened, passes.updated_at), today.closed) as at
    from passes
    cross join today
    where passes.active
    order by pg_temp.draw(passes.id::text, today.salt)
    limit (select 1 + count(*) / 500 from passes)
),

changed as (
    update passes
    set monthly_amount = chosen.new_price, stripe_price_id = chosen.new_stripe_price_id, updated_at = chosen.at
    from chosen
    where passes.id = chosen.id
)

insert into pass_price_history
select
    pg_temp.key(chosen.id::text, today.salt),
    chosen.id,
    chosen.old_price,
    chosen.new_price,
    chosen.old_stripe_price_id,
    chosen.new_stripe_price_id,
    'admin@vend.example',
    'Market rate',
    chosen.at,
    chosen.at
from chosen
cross join today;

--: garages_renamed
update garages
set
    name = case when name like 'The %' then substr(name, 5) else left('The ' || name, 255) end,
    updated_at = pg_temp.moment(garages.id::text, today.salt, greatest(today.opened, updated_at), today.closed)
from today
where garages.id = (
    -- The oldest is the demo's and keeps its name.
    select garages.id
    from garages
    cross join today
    where garages.created_at > (select min(garages.created_at) from garages)
    order by pg_temp.draw(garages.id::text, today.salt)
    limit 1
);

--: users_renamed
update users
set
    last_name = (array['Nakamura', 'Okonkwo', 'Fitz-Gerald', 'Østergård', 'O''Malley'])
        [1 + floor(5 * pg_temp.draw(users.id::text, today.salt || 'name'))::int],
    updated_at = pg_temp.moment(users.id::text, today.salt, greatest(today.opened, updated_at), today.closed)
from today
where users.id in (
    select users.id
    from users
    cross join today
    where users.role = 'user'
    order by pg_temp.draw(users.id::text, today.salt)
    limit (select 1 + count(*) / 5000 from users)
);

--: garages_opened
with
opened as (
    insert into garages (id, name, address, capacity, stripe_account_id, created_at, updated_at)
    select
        pg_temp.key('garage', salt),
        'Depot ' || to_char(closed, 'DD Mon YYYY'),
        (1 + floor(900 * pg_temp.draw('house', salt)))::int || ' Depot Ave, Omaha, NE 68102',
        40 + floor(100 * pg_temp.draw('capacity', salt))::int,
        'acct_' || left(md5('account' || salt), 16),
        pg_temp.moment('garage', salt, opened, closed),
        pg_temp.moment('garage', salt, opened, closed)
    from today
    returning *
),

priced as (
    insert into passes
        (id, garage_id, name, description, stripe_product_id, stripe_price_id, monthly_amount, created_at, updated_at)
    select
        pg_temp.key('pass' || kind.name, today.salt),
        opened.id,
        kind.name,
        null,
        'prod_' || left(md5(kind.name || today.salt), 14),
        'price_' || left(md5(kind.name || today.salt), 18),
        kind.price,
        opened.created_at,
        opened.created_at
    from opened
    cross join today
    cross join (values ('Monthly', 80.00), ('Monthly Reserved', 125.50)) as kind (name, price)
)

insert into garage_admins (id, user_id, garage_id, assigned_by, assigned_at, permissions, created_at)
select
    pg_temp.key('first admin', today.salt),
    (select id from users where role = 'garage_admin' order by pg_temp.draw(id::text, today.salt) limit 1),
    opened.id,
    (select id from users where role = 'super_admin' order by created_at, id limit 1),
    opened.created_at,
    '{"reports": true}',
    opened.created_at
from opened
cross join today
where exists (select from users where role = 'garage_admin');

--: admins_added
insert into garage_admins (id, user_id, garage_id, assigned_by, assigned_at, permissions, created_at)
select
    pg_temp.key('admin', today.salt),
    users.id,
    garages.id,
    (select id from users where role = 'super_admin' order by created_at, id limit 1),
    pg_temp.moment('admin', today.salt, greatest(today.opened, garages.created_at), today.closed),
    null,
    pg_temp.moment('admin', today.salt, greatest(today.opened, garages.created_at), today.closed)
from users
cross join garages
cross join today
where
    users.role = 'garage_admin'
    and not exists (
        select from garage_admins
        where garage_admins.user_id = users.id and garage_admins.garage_id = garages.id
    )
order by pg_temp.draw(users.id::text || garages.id::text, today.salt)
limit 1;

--: admins_removed
delete from garage_admins
where id = (
    -- The demo's own users keep their garages.
    select garage_admins.id
    from garage_admins
    inner join users on users.id = garage_admins.user_id
    cross join today
    where
        garage_admins.created_at < today.opened
        and users.email not in ('two-garages@vend.example', 'harwood@vend.example')
    order by pg_temp.draw(garage_admins.id::text, today.salt)
    limit 1
);

--: payments_settled
update payments
set
    status = settled.status::payment_status,
    stripe_fee = settled.fee,
    net_amount = payments.amount - settled.fee,
    updated_at = settled.at
from (
    select
        payments.id,
        case when drawn.fails then 'failed' else 'succeeded' end as status,
        case when not drawn.fails then pg_temp.fee(payments.amount) end as fee,
        pg_temp.moment(payments.id::text, today.salt, greatest(today.opened, payments.updated_at), today.closed) as at
    from payments
    cross join today
    cross join lateral (select pg_temp.draw(payments.id::text, today.salt) < 0.05 as fails) as drawn
    where payments.status in ('pending', 'processing')
) as settled
where payments.id = settled.id;

--: subscriptions_ended
-- Those canceled for the end of a period that is over.
update subscriptions
set
    status = 'canceled',
    next_renewal_date = null,
    updated_at = least(greatest(current_period_end + interval '5 seconds', updated_at), today.closed)
from today
where
    status in ('active', 'past_due', 'trialing', 'unpaid')
    and cancel_at_period_end
    and canceled_at is not null
    and current_period_end <= today.closed;

--: dunning_attempts
-- Past-due subscriptions are tried again 3, 8 and 15 days after their date; the last failure ends them.
with
owing as materialized (
    select
        subscriptions.*,
        (
            select count(*)
            from payments
            where
                payments.subscription_id = subscriptions.id
                and payments.payment_date >= subscriptions.current_period_start
                and payments.status in ('failed', 'canceled')
        ) as failures
    from subscriptions
    where subscriptions.status = 'past_due'
),

tried as materialized (
    select
        owing.*,
        greatest(owing.current_period_start + due.delay, today.opened, owing.updated_at)
        + interval '1 second' * pg_temp.draw(owing.id::text, today.salt || 'second') as at,
        pg_temp.draw(owing.id::text, today.salt || 'retry') < 0.6 as paid,
        due.is_last,
        today.salt,
        today.closed
    from owing
    cross join today
    inner join (
        values (1, interval '3 days', false), (2, interval '8 days', false), (3, interval '15 days', true)
    ) as due (failures, delay, is_last) on due.failures = least(greatest(owing.failures, 1), 3)
    where owing.current_period_start + due.delay < today.closed
),

resolved as (
    update subscriptions
    set
        status = case
            when tried.paid then 'active'
            when not tried.is_last then 'past_due'
            when pg_temp.draw(tried.id::text, 'left unpaid') < 0.3 then 'unpaid'
            else 'canceled'
        end::subscription_status,
        canceled_at = case
            when tried.paid or not tried.is_last or pg_temp.draw(tried.id::text, 'left unpaid') < 0.3
                then subscriptions.canceled_at
            else least(tried.at + interval '1 minute', tried.closed)
        end,
        cancel_at_period_end = case
            when tried.paid or not tried.is_last or pg_temp.draw(tried.id::text, 'left unpaid') < 0.3
                then subscriptions.cancel_at_period_end
            else false
        end,
        next_renewal_date = case
            when tried.paid or not tried.is_last or pg_temp.draw(tried.id::text, 'left unpaid') < 0.3
                then subscriptions.next_renewal_date
        end,
        renewal_status = case when tried.paid then 'succeeded' else 'failed' end,
        renewal_attempted_at = least(tried.at, tried.closed),
        updated_at = least(tried.at + interval '1 minute', tried.closed)
    from tried
    where subscriptions.id = tried.id
)

insert into payments
select
    pg_temp.key(tried.id::text, tried.salt || 'retry'),
    'pi_' || left(md5(tried.id::text || tried.salt || 'retry'), 24),
    tried.id,
    tried.garage_id,
    tried.monthly_amount,
    case when tried.paid then pg_temp.fee(tried.monthly_amount) end,
    case when tried.paid then tried.monthly_amount - pg_temp.fee(tried.monthly_amount) end,
    case when tried.paid then 'succeeded' else 'failed' end::payment_status,
    garage_currency.currency,
    least(tried.at, tried.closed),
    least(tried.at, tried.closed),
    least(tried.at + interval '3 seconds', tried.closed)
from tried
inner join garage_currency on garage_currency.garage_id = tried.garage_id;

--: unpaid_given_up
update subscriptions
set
    status = 'canceled',
    cancel_at_period_end = false,
    canceled_at = least(greatest(current_period_start + interval '45 days', today.opened), today.closed),
    next_renewal_date = null,
    updated_at = least(greatest(current_period_start + interval '45 days', today.opened), today.closed)
from today
where status = 'unpaid' and current_period_start + interval '45 days' <= today.closed;

--: renewals
-- At the pass's price of the day, but for those who keep the one they signed for.
with
due as materialized (
    select
        subscriptions.id,
        subscriptions.garage_id,
        subscriptions.current_period_end as ends,
        greatest(subscriptions.current_period_end, today.opened) as at,
        case
            when pg_temp.draw(subscriptions.id::text, 'keeps its price') < 0.3 then subscriptions.monthly_amount
            else passes.monthly_amount
        end as amount,
        case
            when pg_temp.draw(subscriptions.id::text, 'keeps its price') < 0.3 then subscriptions.stripe_price_id
            else passes.stripe_price_id
        end as stripe_price_id,
        pg_temp.draw(subscriptions.id::text, today.salt || 'renewal') as drawn,
        today.salt,
        today.closed
    from subscriptions
    inner join passes on passes.id = subscriptions.pass_id
    cross join today
    where
        subscriptions.status in ('active', 'trialing')
        and not (subscriptions.cancel_at_period_end and subscriptions.canceled_at is not null)
        and subscriptions.current_period_end <= today.closed
),

outcome as materialized (
    select
        due.*,
        case when drawn < 0.93 then 'succeeded' when drawn < 0.96 then 'pending' else 'failed' end as status
    from due
),

renewed as (
    update subscriptions
    set
        status = case when outcome.status = 'failed' then 'past_due' else 'active' end::subscription_status,
        current_period_start = outcome.ends,
        current_period_end = outcome.ends + interval '1 month',
        next_renewal_date = outcome.ends + interval '1 month',
        monthly_amount = outcome.amount,
        stripe_price_id = outcome.stripe_price_id,
        renewal_status = outcome.status,
        renewal_attempted_at = outcome.at,
        updated_at = least(outcome.at + interval '3 seconds', outcome.closed)
    from outcome
    where subscriptions.id = outcome.id
)

insert into payments
select
    pg_temp.key(outcome.id::text, outcome.salt || 'renewal'),
    'pi_' || left(md5(outcome.id::text || outcome.salt || 'renewal'), 24),
    outcome.id,
    outcome.garage_id,
    outcome.amount,
    case when outcome.status = 'succeeded' then pg_temp.fee(outcome.amount) end,
    case when outcome.status = 'succeeded' then outcome.amount - pg_temp.fee(outcome.amount) end,
    outcome.status::payment_status,
    garage_currency.currency,
    outcome.at,
    outcome.at,
    least(outcome.at + interval '3 seconds', outcome.closed)
from outcome
inner join garage_currency on garage_currency.garage_id = outcome.garage_id;

--: sign_ups
with
offered as materialized (
    select passes.*, row_number() over (order by passes.created_at, passes.id) as nth, count(*) over () as passes
    from passes
    where passes.active
),

new as materialized (
    select
        pg_temp.key('user' || number, today.salt) as user_id,
        pg_temp.key('subscription' || number, today.salt) as id,
        offered.garage_id,
        offered.id as pass_id,
        offered.stripe_price_id,
        offered.monthly_amount as amount,
        pg_temp.moment('sign-up' || number, today.salt, greatest(today.opened, offered.created_at), today.closed) as at,
        -- The first one always pays; another may not.
        number > 1 and pg_temp.draw('pays' || number, today.salt) < 0.06 as fails,
        number,
        today.salt,
        today.closed
    from today
    cross join generate_series(1, (select 3 + count(*) / 400 from subscriptions)) as number
    inner join offered on offered.nth = 1 + floor(pg_temp.draw('pass' || number, today.salt) * offered.passes)
),

joined as (
    insert into users (id, first_name, last_name, email, phone, stripe_customer_id, created_at, updated_at)
    select
        user_id,
        (array['Sam', 'Noor', 'Kai', 'Zoë', 'Łukasz', 'Ana'])[1 + floor(6 * pg_temp.draw(user_id::text, salt))::int],
        'Newman',
        'new.' || user_id || '@example.com',
        null,
        'cus_' || left(md5(user_id::text), 24),
        at,
        at
    from new
),

subscribed as (
    insert into subscriptions
    select
        id,
        'sub_' || left(md5(id::text), 24),
        user_id,
        garage_id,
        pass_id,
        stripe_price_id,
        case when fails then 'incomplete' else 'active' end::subscription_status,
        at,
        at + interval '1 month',
        false,
        null,
        amount,
        null,
        null,
        case when not fails then at + interval '1 month' end,
        at,
        least(at + interval '3 seconds', closed)
    from new
)

insert into payments
select
    pg_temp.key(new.id::text, 'first payment'),
    'pi_' || left(md5(new.id::text), 24),
    new.id,
    new.garage_id,
    new.amount,
    case when not new.fails then pg_temp.fee(new.amount) end,
    case when not new.fails then new.amount - pg_temp.fee(new.amount) end,
    case when new.fails then 'failed' else 'succeeded' end::payment_status,
    coalesce(garage_currency.currency, 'usd'),
    new.at,
    new.at,
    least(new.at + interval '3 seconds', new.closed)
from new
left join garage_currency on garage_currency.garage_id = new.garage_id;

--: sign_ups_expired
update subscriptions
set
    status = 'incomplete_expired',
    updated_at = least(greatest(created_at + interval '23 hours', today.opened), today.closed)
from today
where status = 'incomplete' and created_at + interval '23 hours' <= today.closed;

--: cancellations_withdrawn
update subscriptions
set
    cancel_at_period_end = false,
    canceled_at = null,
    next_renewal_date = current_period_end,
    updated_at = pg_temp.moment(subscriptions.id::text, today.salt, greatest(today.opened, updated_at), today.closed)
from today
where subscriptions.id in (
    select subscriptions.id
    from subscriptions
    cross join today
    where
        subscriptions.status = 'active'
        and subscriptions.cancel_at_period_end
        and subscriptions.canceled_at < today.opened
    order by pg_temp.draw(subscriptions.id::text, today.salt || 'withdrawn')
    limit (select 1 + count(*) / 20000 from subscriptions)
);

--: canceled_at_once
update subscriptions
set
    status = 'canceled',
    canceled_at = chosen.at,
    next_renewal_date = null,
    updated_at = chosen.at
from (
    select
        subscriptions.id,
        pg_temp.moment(
            subscriptions.id::text, today.salt, greatest(today.opened, subscriptions.updated_at), today.closed
        ) as at
    from subscriptions
    cross join today
    where
        subscriptions.status = 'active'
        and subscriptions.canceled_at is null
        and subscriptions.created_at < today.opened
        and subscriptions.updated_at < today.closed
    order by pg_temp.draw(subscriptions.id::text, today.salt || 'at once')
    limit (select 1 + count(*) / 2000 from subscriptions)
) as chosen
where subscriptions.id = chosen.id;

--: canceled_for_period_end
update subscriptions
set
    cancel_at_period_end = true,
    canceled_at = chosen.at,
    next_renewal_date = null,
    updated_at = chosen.at
from (
    select
        subscriptions.id,
        pg_temp.moment(
            subscriptions.id::text, today.salt, greatest(today.opened, subscriptions.updated_at), today.closed
        ) as at
    from subscriptions
    cross join today
    where
        subscriptions.status = 'active'
        and subscriptions.canceled_at is null
        and subscriptions.created_at < today.opened
        and subscriptions.updated_at < today.closed
        and subscriptions.current_period_end > today.closed
    order by pg_temp.draw(subscriptions.id::text, today.salt || 'period end')
    limit (select 1 + count(*) / 1500 from subscriptions)
) as chosen
where subscriptions.id = chosen.id;

--: refunds
-- Of payments among a garage's first: their months are long past.
update payments
set
    status = 'refunded',
    updated_at = pg_temp.moment(payments.id::text, today.salt, greatest(today.opened, updated_at), today.closed)
from today
where payments.id in (
    select early.id
    from (select id from garages cross join today order by pg_temp.draw(id::text, salt || 'refund')) as garage
    cross join today
    cross join lateral (
        select payments.id
        from payments
        where
            payments.garage_id = garage.id
            and payments.status = 'succeeded'
            and payments.payment_date < today.opened
        order by payments.payment_date, payments.id
        limit 1
    ) as early
    limit (select 1 + count(*) / 100 from garages)
);

--: late_payments
-- Known to the application only now, though paid two months ago.
insert into payments
select
    pg_temp.key(subscription.id::text, today.salt || 'late'),
    'pi_' || left(md5(subscription.id::text || today.salt || 'late'), 24),
    subscription.id,
    subscription.garage_id,
    subscription.monthly_amount,
    pg_temp.fee(subscription.monthly_amount),
    subscription.monthly_amount - pg_temp.fee(subscription.monthly_amount),
    'succeeded',
    garage_currency.currency,
    greatest(today.closed - interval '2 months', subscription.created_at),
    pg_temp.moment('late', today.salt, today.opened, today.closed),
    pg_temp.moment('late', today.salt, today.opened, today.closed)
from today
cross join lateral (
    select subscriptions.*
    from subscriptions
    where
        subscriptions.status = 'active'
        and exists (select from payments where payments.subscription_id = subscriptions.id)
    order by
        subscriptions.created_at > today.closed - interval '2 months',
        pg_temp.draw(subscriptions.id::text, today.salt || 'late')
    limit 1
) as subscription
inner join garage_currency on garage_currency.garage_id = subscription.garage_id;

--: [room]
-- How many cars each garage has room for today, though all who came yesterday stayed on.
create temporary table room on commit drop as
select garages.id, garages.created_at, greatest(garages.capacity - count(parked.id), 0) as free
from garages
left join parked on parked.garage_id = garages.id and parked.exited_at is null
where garages.capacity > 0
group by garages.id;

--: exits
update parked
set exited_at = pg_temp.moment(
    parked.id::text, today.salt, greatest(today.opened, entered_at), today.opened + (today.closed - today.opened) * 0.6
)
from today
where
    exited_at is null
    and entered_at < today.opened
    and pg_temp.draw(parked.id::text, today.salt || 'leaves') < 0.95;

--: entries
-- By day, and mostly by visitors; a third are subscribers of the garage who are not inside already.
insert into parked
select
    pg_temp.key(car.id::text || car.number, car.salt || 'parked'),
    car.id,
    driver.user_id,
    driver.pass_id,
    upper(translate(left(md5(car.id::text || car.number || car.salt), 7), '0123456789', 'GHJKLMNPRS')),
    car.entered_at,
    case when car.leaves_at <= car.closed then car.leaves_at end,
    car.entered_at
from (
    select
        room.id,
        number,
        today.salt,
        today.closed,
        entry.at as entered_at,
        entry.at
        + interval '9 hours' * (0.05 + 0.95 * pg_temp.draw(room.id::text || number, today.salt || 'stay')) as leaves_at
    from room
    cross join today
    cross join lateral generate_series(1, room.free * 3 / 4) as number
    cross join lateral (
        select
            pg_temp.moment(room.id::text || number, today.salt, greatest(today.opened, room.created_at), today.closed)
                as at
    ) as entry
    where extract(hour from entry.at) between 6 and 20
) as car
left join (
    select
        subscriptions.garage_id,
        subscriptions.user_id,
        subscriptions.pass_id,
        3 * row_number() over (
            partition by subscriptions.garage_id order by pg_temp.draw(subscriptions.id::text, today.salt || 'drives')
        ) as number
    from subscriptions
    cross join today
    where
        subscriptions.status in ('active', 'past_due')
        and subscriptions.created_at < today.opened
        and not exists (
            select from parked
            where parked.user_id = subscriptions.user_id and parked.garage_id = subscriptions.garage_id
                and parked.exited_at is null
        )
) as driver on driver.garage_id = car.id and driver.number = car.number;

--: [stays]
create temporary table stays on commit drop as
select parked.garage_id, parked.entered_at, parked.exited_at
from parked
cross join today
where parked.exited_at is null or parked.exited_at >= date_trunc('day', today.opened - interval '1 day 5 minutes');

--: [stays_index]
create index on stays (garage_id);

--: occupancy_days
-- A row for each garage and day that ended, five minutes after midnight: cars inside as each hour ends.
insert into garage_daily_occupancy
select
    pg_temp.key(garages.id::text || ended.day, today.salt),
    garages.id,
    ended.day,
    (
        select jsonb_agg(inside.cars order by inside.hour)
        from (
            select
                hour,
                (
                    select count(*)
                    from stays
                    where
                        stays.garage_id = garages.id
                        and stays.entered_at < ended.day + hour * interval '1 hour'
                        and (
                            stays.exited_at is null
                            or stays.exited_at >= ended.day + hour * interval '1 hour'
                        )
                ) as cars
            from generate_series(1, 24) as hour
        ) as inside
    ),
    ended.day + interval '1 day 5 minutes'
from today
cross join lateral generate_series(
    date_trunc('day', today.opened - interval '1 day 5 minutes'), today.closed, interval '1 day'
) as ended (day)
cross join garages
where
    ended.day + interval '1 day 5 minutes' > today.opened
    and ended.day + interval '1 day 5 minutes' <= today.closed
    and garages.created_at < ended.day + interval '1 day';
