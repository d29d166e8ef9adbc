//! local
mod decode;
mod encode;
mod messages;
mod numeric;
mod text;
