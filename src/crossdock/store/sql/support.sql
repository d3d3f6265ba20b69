-- server: What the database runs as, and which of its settings are not the usual ones. Values that may name hosts or hold passwords are left out.
select name, setting from pg_settings
where name = 'server_version' or (source not in ('default', 'override', 'client', 'session')
  and name !~ '(conninfo|password|_file|directory|addresses|ssl|krb|hosts|user|timezone|lc_|log_|application_name)')
order by 1

-- tables: How each table is read and how much of it is dead; the days of a time table as one.
select regexp_replace(relname, '_(\d{8}|default)$', '') as name, sum(n_live_tup), sum(n_dead_tup), sum(seq_scan), sum(seq_tup_read),
       sum(idx_scan), sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_hot_upd), sum(n_tup_del),
       max(greatest(last_vacuum, last_autovacuum)), max(greatest(last_analyze, last_autoanalyze)),
       sum(pg_total_relation_size(relid))
from pg_stat_user_tables group by 1 order by 1

-- indexes: Which indexes are used.
select relname, indexrelname, idx_scan, pg_relation_size(indexrelid) from pg_stat_user_indexes
where relname !~ '_(\d{8}|default)$' order by 1, 2

-- columns: What the planner believes of each column; none of the values it has seen.
select tablename, attname, null_frac, n_distinct, correlation from pg_stats
where schemaname = 'public' and tablename !~ '_(\d{8}|default)$' order by 1, 2

-- sessions: What connections are doing, by kind.
select coalesce(state, backend_type), wait_event_type, count(*),
       coalesce(max(extract(epoch from now() - xact_start)), 0)::float8
from pg_stat_activity where datname = current_database() group by 1, 2 order by 1, 2

-- migrations: What was applied, and when.
select name, applied_at from migration order by 1

-- faults: Calls of the last days that did not end in a confirmation, by what was called and what came of it.
select p.target, p.noun, a.outcome, count(*), count(distinct a.promise), min(a.at), max(a.at)
from attempt a join promise p on p.id = a.promise
where a.at > now() - make_interval(days => %(days)s) group by 1, 2, 3 order by 4 desc limit 500

-- cases: The open cases, without what is in them.
select c.id, c.kind, c.cause, c.title, c.opened_at, count(i.case_id)
from cases c left join case_item i on i.case_id = c.id where c.closed_at is null
group by 1 order by 6 desc limit 500

-- decisions: What people decided in the last days, by kind.
select what, count(*), max(at) from decision where at > now() - make_interval(days => %(days)s) group by 1 order by 1
