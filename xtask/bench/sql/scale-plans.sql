-- Run as the superuser in the database that is measured: new connections of the application role log the plan of each
-- statement that they execute.
alter role restartix_app in database scale_:size set session_preload_libraries = 'auto_explain';
alter role restartix_app in database scale_:size set auto_explain.log_min_duration = 0;
alter role restartix_app in database scale_:size set auto_explain.log_analyze = on;
alter role restartix_app in database scale_:size set auto_explain.log_buffers = on;
alter role restartix_app in database scale_:size set auto_explain.log_timing = off;
alter role restartix_app in database scale_:size set auto_explain.log_format = 'json';
alter role restartix_app in database scale_:size set auto_explain.log_parameter_max_length = 0;
