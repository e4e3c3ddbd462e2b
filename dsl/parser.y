/* parser.y - the grammar.  Actions only call build_* constructors.
 *
 * Line ends do not matter to the grammar, yet no terminator is needed: a
 * statement begins with a name or a keyword, and no expression goes on with
 * one of these.  An `if` expression stands only where a whole expression does
 * (in parentheses elsewhere), so it never meets an operator. */
%code requires {
#include "dsl/parse.h"
#define YYLTYPE Span
}

%code {
#include <stdlib.h>

#include "base/memory.h"

#define YYMAXDEPTH 2000
#define YYMALLOC(n) memory_must(malloc(n), n)
#define YYFREE free
#define YYLLOC_DEFAULT(all, rhs, n)                                            \
    do {                                                                       \
        (all).begin = (n) ? YYRHSLOC(rhs, 1).begin : YYRHSLOC(rhs, 0).end;     \
        (all).end = (n) ? YYRHSLOC(rhs, n).end : YYRHSLOC(rhs, 0).end;         \
    } while (0)
#define dsl_yylex(value, at, p) ((void)(value), parse_token(p, at))

static void dsl_yyerror(const Span *at, Parse *p, const char *text);
}

%define api.pure full
%define api.prefix {dsl_yy}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%parse-param {Parse *p}
%lex-param {Parse *p}

%union {
    Ident *ident;
    List *list;
    Expr *expr;
    Stmt *stmt;
    Block *block;
    TypeExpr *type;
    Field *field;
    Arg *arg;
    Decl *decl;
    Signature sig;
}

%token TOK_END 0 "the end of the file"
%token TOK_NAME "a name" TOK_INT "a number"
%token TOK_FLOAT "a number with a point" TOK_STRING "a string"
%token TOK_ARROW "->" TOK_DOTS ".."
%token TOK_MODEL "model" TOK_USE "use" TOK_PARAM "param"
%token TOK_REQUIRE "require" TOK_STATE "state" TOK_FN "fn" TOK_LAYER "layer"
%token TOK_ENTRY "entry" TOK_FOR "for" TOK_IF "if" TOK_RETURN "return"
%token TOK_ELSE "else" TOK_IN "in" TOK_THEN "then" TOK_WHEN "when"
%token TOK_TRUE "true" TOK_FALSE "false"
%token TOK_AND "and" TOK_OR "or" TOK_NOT "not"
%token TOK_EQ "==" TOK_NE "!=" TOK_LE "<=" TOK_GE ">="

%left TOK_OR
%left TOK_AND
%precedence TOK_NOT
%nonassoc TOK_EQ TOK_NE '<' TOK_LE '>' TOK_GE
%left '+' '-'
%left '*' '/' '%'
%precedence NEGATION

%type <ident> name string arg_name
%type <list> strings names exprs args args_some fields fields_some words stmts
%type <list> dims vars results types
%type <expr> expr operand postfix primary
%type <stmt> stmt
%type <block> block else
%type <type> type
%type <field> field result
%type <arg> arg
%type <decl> decl
%type <sig> signature result_part

%%

file: decls;

decls: %empty
    | decls decl { list_add(p, &p->decls, $2); }
    | decls error;

decl: TOK_MODEL strings { $$ = build_model(p, $2, @$); }
    | TOK_USE string { $$ = build_decl(p, DECL_USE, $2, @$); }
    | TOK_PARAM name ':' type '=' expr {
        $$ = build_param(p, $2, $4, $6, @$);
    }
    | TOK_REQUIRE expr ',' TOK_STRING {
        $$ = build_require(p, $2, build_string(p, @4), @$);
    }
    | TOK_STATE name '[' expr ']' ':' words dims {
        $$ = build_state_decl(p, $2, $4, $7, $8, @$);
    }
    | TOK_FN signature block { $$ = build_fn(p, DECL_FN, &$2, $3, @$); }
    | TOK_LAYER signature block { $$ = build_fn(p, DECL_LAYER, &$2, $3, @$); }
    | TOK_ENTRY signature block { $$ = build_fn(p, DECL_ENTRY, &$2, $3, @$); }
    | TOK_ENTRY signature TOK_WHEN expr block {
        $2.when = $4;
        $$ = build_fn(p, DECL_ENTRY, &$2, $5, @$);
    };

signature: name vars '(' fields ')' TOK_ARROW result_part {
        $$ = $7;
        $$.name = $1;
        $$.vars = $2;
        $$.params = $4;
    };

vars: %empty { $$ = NULL; }
    | '[' names ']' { $$ = $2; };

result_part: type {
        Field *only = build_field_decl(p, NULL, $1);
        $$ = (Signature){.results = list_new(p, only)};
    }
    | '(' types ')' { $$ = (Signature){.results = $2}; }
    | '(' results ')' {
        $$ = (Signature){.results = $2, .named_results = true};
    };

types: type { $$ = list_new(p, build_field_decl(p, NULL, $1)); }
    | types ',' type { list_add(p, $1, build_field_decl(p, NULL, $3)); };

results: result { $$ = list_new(p, $1); }
    | results ',' result { list_add(p, $1, $3); };

result: name ':' type { $$ = build_field_decl(p, $1, $3); };

fields: %empty { $$ = NULL; } | fields_some;
fields_some: field { $$ = list_new(p, $1); }
    | fields_some ',' field { list_add(p, $1, $3); };
field: name ':' type { $$ = build_field_decl(p, $1, $3); };

type: dims { $$ = build_type(p, NULL, $1, @$); }
    | name { $$ = build_type(p, $1, NULL, @$); }
    | name dims { $$ = build_type(p, $1, $2, @$); };

dims: '[' exprs ']' { $$ = $2; };

words: name { $$ = list_new(p, $1); }
    | words name { list_add(p, $1, $2); };

block: '{' stmts '}' { $$ = build_block(p, $2, @3); };

stmts: %empty { $$ = list_new(p, NULL); }
    | stmts stmt { list_add(p, $1, $2); }
    | stmts error;

stmt: names '=' expr { $$ = build_bind(p, $1, $3, @$); }
    | TOK_RETURN exprs { $$ = build_return(p, $2, @$); }
    | TOK_FOR name TOK_IN expr TOK_DOTS expr block {
        $$ = build_for(p, $2, $4, $6, $7, @$);
    }
    | TOK_IF expr block else { $$ = build_branch(p, $2, $3, $4, @$); };

/* `else if` is a block of one statement. */
else: %empty { $$ = NULL; }
    | TOK_ELSE block { $$ = $2; }
    | TOK_ELSE TOK_IF expr block else {
        Span at = {@2.begin, @$.end};
        List *one = list_new(p, build_branch(p, $3, $4, $5, at));
        $$ = build_block(p, one, @$);
    };

expr: operand
    | TOK_IF expr TOK_THEN expr TOK_ELSE expr {
        $$ = build_if(p, $2, $4, $6, @$);
    };

operand: postfix
    | TOK_NOT operand { $$ = build_unary(p, UNARY_NOT, $2, @$); }
    | '-' operand %prec NEGATION { $$ = build_unary(p, UNARY_NEG, $2, @$); }
    | operand TOK_OR operand { $$ = build_binary(p, BINARY_OR, $1, $3, @$); }
    | operand TOK_AND operand { $$ = build_binary(p, BINARY_AND, $1, $3, @$); }
    | operand TOK_EQ operand { $$ = build_binary(p, BINARY_EQ, $1, $3, @$); }
    | operand TOK_NE operand { $$ = build_binary(p, BINARY_NE, $1, $3, @$); }
    | operand '<' operand { $$ = build_binary(p, BINARY_LT, $1, $3, @$); }
    | operand TOK_LE operand { $$ = build_binary(p, BINARY_LE, $1, $3, @$); }
    | operand '>' operand { $$ = build_binary(p, BINARY_GT, $1, $3, @$); }
    | operand TOK_GE operand { $$ = build_binary(p, BINARY_GE, $1, $3, @$); }
    | operand '+' operand { $$ = build_binary(p, BINARY_ADD, $1, $3, @$); }
    | operand '-' operand { $$ = build_binary(p, BINARY_SUB, $1, $3, @$); }
    | operand '*' operand { $$ = build_binary(p, BINARY_MUL, $1, $3, @$); }
    | operand '/' operand { $$ = build_binary(p, BINARY_DIV, $1, $3, @$); }
    | operand '%' operand { $$ = build_binary(p, BINARY_MOD, $1, $3, @$); };

postfix: primary
    | postfix '.' any_name { $$ = build_field(p, $1, @3, @$); }
    | postfix ':' dims { $$ = build_shape(p, $1, $3, @$); };

primary: TOK_INT { $$ = build_number(p, false, @$); }
    | TOK_FLOAT { $$ = build_number(p, true, @$); }
    | TOK_STRING { $$ = build_string(p, @$); }
    | TOK_TRUE { $$ = build_expr(p, EXPR_BOOL, @$); $$->u.truth = true; }
    | TOK_FALSE { $$ = build_expr(p, EXPR_BOOL, @$); }
    | name { $$ = build_name(p, $1); }
    | name '(' args ')' { $$ = build_call(p, $1, $3, @$); }
    | name '[' expr ']' { $$ = build_state(p, $1, $3, @$); }
    | dims { $$ = build_list(p, $1, @$); }
    | '(' expr ')' { $$ = $2; };

args: %empty { $$ = NULL; } | args_some;
args_some: arg { $$ = list_new(p, $1); }
    | args_some ',' arg { list_add(p, $1, $3); };
arg: expr { $$ = build_arg(p, NULL, $1); }
    | arg_name '=' expr { $$ = build_arg(p, $1, $3); };
arg_name: name | TOK_STATE { $$ = build_ident(p, @1); };

exprs: expr { $$ = list_new(p, $1); }
    | exprs ',' expr { list_add(p, $1, $3); };

names: name { $$ = list_new(p, $1); }
    | names ',' name { list_add(p, $1, $3); };

strings: string { $$ = list_new(p, $1); }
    | strings ',' string { list_add(p, $1, $3); };
string: TOK_STRING { $$ = build_string_ident(p, @1); };

name: TOK_NAME { $$ = build_ident(p, @1); };

/* Behind a point keywords are names too. */
any_name: TOK_NAME | TOK_MODEL | TOK_USE | TOK_PARAM | TOK_REQUIRE | TOK_STATE
    | TOK_FN | TOK_LAYER | TOK_ENTRY | TOK_FOR | TOK_IN | TOK_IF | TOK_THEN
    | TOK_ELSE | TOK_WHEN | TOK_RETURN | TOK_AND | TOK_OR | TOK_NOT | TOK_TRUE
    | TOK_FALSE;

%%

static void dsl_yyerror(const Span *at, Parse *p, const char *text)
{
    (void)text; /* only ever the stack limit */
    diag_error(p->diags, *at, "nested too deeply");
}

static int yyreport_syntax_error(const yypcontext_t *context, Parse *p)
{
    yysymbol_kind_t expected[YYNTOKENS];
    const char *names[YYNTOKENS];
    int n = yypcontext_expected_tokens(context, expected, YYNTOKENS);
    for (int i = 0; i < n; i++)
        names[i] = yysymbol_name(expected[i]);
    parse_error(p, names, n);
    return 0;
}
