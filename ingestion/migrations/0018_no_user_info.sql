-- A user and a password in RIDES_API_URL or ANGIOGRAM_REPORT_URL were kept with the runs and alerts, where marts_reader reads.

update angiogram.runs
set report = regexp_replace(report::text, '([a-z][a-z0-9+.-]*://)[^/?#\s"@]*@', '\1', 'gi')::jsonb
where report::text ~* '[a-z][a-z0-9+.-]*://[^/?#\s"@]*@';

update angiogram.alerts
set
    message = regexp_replace(message, '([a-z][a-z0-9+.-]*://)[^/?#\s"@]*@', '\1', 'gi'),
    detail = regexp_replace(detail, '([a-z][a-z0-9+.-]*://)[^/?#\s"@]*@', '\1', 'gi')
where concat_ws(' ', message, detail) ~* '[a-z][a-z0-9+.-]*://[^/?#\s"@]*@';
