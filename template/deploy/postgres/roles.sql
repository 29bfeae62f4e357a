-- The roles and the database of compose.yaml's PostgreSQL, the same as `[[ pm ]] run services` makes.
-- Run once, by the image's entry point, when the volume is new.
[% set name = project_slug | replace("-", "_") -%]
\set ON_ERROR_STOP on
\getenv owner_password POSTGRES_PASSWORD
\getenv app_password POSTGRES_APP_PASSWORD

-- Owns the schema and migrates it.
CREATE ROLE "[[ name ]]_owner" LOGIN CREATEDB PASSWORD :'owner_password';
-- The running service. It owns nothing; the migrations grant it what it needs.
CREATE ROLE "[[ name ]]_app" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD :'app_password';

CREATE DATABASE "[[ name ]]" OWNER "[[ name ]]_owner";
REVOKE ALL ON DATABASE "[[ name ]]" FROM PUBLIC;
GRANT CONNECT ON DATABASE "[[ name ]]" TO "[[ name ]]_app";
