//! PostgreSQL's dialect for the parser, with one habit taken away.
//!
//! The parser reads each argument of a function twice where names of arguments may be expressions
//! (`json_object('a' : 1)`), and the arguments inside of it twice each time: thirty nested calls would
//! take minutes. Here names of arguments are names. Everything else is the parser's own dialect.

use std::any::TypeId;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// The dialect in which statements of clients are read.
#[derive(Debug)]
pub struct Postgres;

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

/// Answers as the parser's own dialect does.
macro_rules! as_base {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            BASE.$name()
        })*
    };
}

impl Dialect for Postgres {
    /// The parser asks for the type to see which dialect it has.
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        BASE.is_delimited_identifier_start(character)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        BASE.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        BASE.is_identifier_part(character)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        BASE.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, character: char) -> bool {
        BASE.is_custom_operator_part(character)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        BASE.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        BASE.parse_prefix(parser)
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    as_base!(
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_alter_column_type_using,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_comment_on,
        supports_comment_optimizer_hint,
        supports_create_index_with_clause,
        supports_create_table_like_parenthesized,
        supports_empty_projections,
        supports_explain_with_utility_options,
        supports_factorial_operator,
        supports_filter_during_aggregation,
        supports_geometric_types,
        supports_group_by_expr,
        supports_insert_table_alias,
        supports_interval_options,
        supports_listen_notify,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_nested_comments,
        supports_notnull_operator,
        supports_numeric_literal_underscores,
        supports_select_wildcard_with_alias,
        supports_set_names,
        supports_string_escape_constant,
        supports_unicode_string_literal,
        supports_xml_expressions,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_calls_are_read_in_a_moment() {
        let check = |sql: &str| {
            let parsed = Parser::parse_sql(&Postgres, sql).expect("it is SQL");
            assert_eq!(parsed.len(), 1);
            assert_eq!(parsed[0].to_string(), sql);
        };
        check(&format!("SELECT {}1{}", "abs(".repeat(20), ")".repeat(20)));
        check("SELECT make_interval(days => 2)");
        check("SELECT a -> 'b' FROM t WHERE c ~ 'd' AND U&'A' = e");
    }
}
