//! local
mod encode; mod decode; mod messages; mod numeric; mod text;
