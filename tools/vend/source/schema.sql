-- Vend's operational schema: the architecture's nine tables. Timestamps are naive UTC.
-- Run with the wanted schema first in search_path; tables that exist are left alone.

do $$
declare
    wanted record;
begin
    for wanted in
        select *
        from (values
            ('user_role', '(''user'', ''garage_admin'', ''super_admin'')'),
            (
                'subscription_status',
                '(''incomplete'', ''incomplete_expired'', ''trialing'', ''active'', ''past_due'', ''canceled'', '
                || '''unpaid'', ''paused'')'
            ),
            (
                'payment_status',
                '(''pending'', ''processing'', ''succeeded'', ''failed'', ''canceled'', ''refunded'')'
            )
        ) as enum (name, labels)
    loop
        if to_regtype(wanted.name) is null then
            execute format('create type %I as enum %s', wanted.name, wanted.labels);
        end if;
    end loop;
end
$$;

create table if not exists users (
    id uuid primary key default gen_random_uuid(),
    first_name varchar(255),
    last_name varchar(255),
    email varchar(255) not null unique,
    phone varchar(50),
    stripe_customer_id varchar(255),
    role user_role not null default 'user',
    created_at timestamp not null default (now() at time zone 'UTC'),
    updated_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists garages (
    id uuid primary key default gen_random_uuid(),
    name varchar(255) not null,
    address varchar(500),
    capacity integer not null default 0 check (capacity >= 0),
    stripe_account_id varchar(255),
    created_at timestamp not null default (now() at time zone 'UTC'),
    updated_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists passes (
    id uuid primary key default gen_random_uuid(),
    garage_id uuid not null references garages,
    name varchar(255) not null,
    description varchar(1000),
    stripe_product_id varchar(255),
    stripe_price_id varchar(255),
    monthly_amount numeric(10, 2) not null check (monthly_amount >= 0),
    active boolean not null default true,
    created_at timestamp not null default (now() at time zone 'UTC'),
    updated_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists subscriptions (
    id uuid primary key default gen_random_uuid(),
    stripe_subscription_id varchar(255) unique,
    user_id uuid not null references users,
    garage_id uuid not null references garages,
    pass_id uuid not null references passes,
    stripe_price_id varchar(255),
    status subscription_status not null default 'incomplete',
    current_period_start timestamp,
    current_period_end timestamp,
    cancel_at_period_end boolean not null default false,
    canceled_at timestamp,
    monthly_amount numeric(10, 2) not null,
    renewal_status varchar(50),
    renewal_attempted_at timestamp,
    next_renewal_date timestamp,
    created_at timestamp not null default (now() at time zone 'UTC'),
    updated_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists payments (
    id uuid primary key default gen_random_uuid(),
    stripe_payment_intent_id varchar(255) unique,
    subscription_id uuid references subscriptions,
    garage_id uuid not null references garages,
    amount numeric(10, 2) not null,
    stripe_fee numeric(10, 2),
    net_amount numeric(10, 2),
    status payment_status not null default 'pending',
    currency varchar(3) not null default 'usd',
    payment_date timestamp not null,
    created_at timestamp not null default (now() at time zone 'UTC'),
    updated_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists pass_price_history (
    id uuid primary key default gen_random_uuid(),
    pass_id uuid not null references passes,
    old_price numeric(10, 2),
    new_price numeric(10, 2) not null,
    old_stripe_price_id varchar(255),
    new_stripe_price_id varchar(255),
    changed_by varchar(255),
    change_reason text,
    effective_date timestamp not null,
    created_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists garage_admins (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references users,
    garage_id uuid not null references garages,
    assigned_by uuid references users,
    assigned_at timestamp not null default (now() at time zone 'UTC'),
    permissions jsonb,
    created_at timestamp not null default (now() at time zone 'UTC')
);

create table if not exists parked (
    id uuid primary key default gen_random_uuid(),
    garage_id uuid not null references garages,
    user_id uuid references users,
    pass_id uuid references passes,
    vehicle_plate varchar(32),
    entered_at timestamp not null,
    exited_at timestamp,
    created_at timestamp not null default (now() at time zone 'UTC')
);

-- No unique key on (garage_id, day): a day that is counted again gets a second row, and the later one holds.
create table if not exists garage_daily_occupancy (
    id uuid primary key default gen_random_uuid(),
    garage_id uuid not null references garages,
    day timestamp not null,
    hourly_occupancy jsonb not null,
    created_at timestamp not null default (now() at time zone 'UTC')
);

-- The architecture's three.
create index if not exists idx_payments_garage_date on payments (garage_id, payment_date);
create index if not exists idx_subscriptions_garage_status on subscriptions (garage_id, status);
create index if not exists idx_parked_garage_entered on parked (garage_id, entered_at) where exited_at is null;

-- Look-ups the application and the hot side make by key: a subscription's attempts, a user's subscriptions,
-- a user's garages, a garage's day.
create index if not exists idx_payments_subscription on payments (subscription_id);
create index if not exists idx_subscriptions_user on subscriptions (user_id);
create index if not exists idx_garage_admins_user on garage_admins (user_id);
create index if not exists idx_occupancy_garage_day on garage_daily_occupancy (garage_id, day);
