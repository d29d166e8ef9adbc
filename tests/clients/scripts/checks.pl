# DBD::Pg: types, placeholders, metadata, errors, COPY, cancel by a time limit.
use strict;
use warnings;
use utf8;
use DBI;
use JSON::PP;

my $json = JSON::PP->new->canonical->utf8;
my (@planned, %levels);
$| = 1;

sub must   { push @planned, [$_[0], 'must',   $_[1]] }
sub should { push @planned, [$_[0], 'should', $_[1]] }
sub say_it { print '@' . $json->encode({@_}) . "\n" }

sub connect_it {
    return DBI->connect("dbi:Pg:dbname=$ENV{PGDATABASE};host=$ENV{PGHOST};port=$ENV{PGPORT}", $ENV{PGUSER}, '', { RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 1 });
}

sub equal {
    my ($actual, $expected) = map { JSON::PP->new->canonical->allow_nonref->encode($_) } @_;
    die "got $actual, not $expected\n" if $actual ne $expected;
}

sub one { my ($db, $sql, @parameters) = @_; return ($db->selectrow_array($sql, undef, @parameters))[0] }

must 'connect'       => sub { equal("" . one($_[0], 'SELECT 1'), '1') };
must 'version'       => sub { equal(int($_[0]->{pg_server_version} / 10000), 15) };
must 'placeholders'  => sub { equal("" . one($_[0], 'SELECT count(*) FROM profiles WHERE customer_no = ? AND visits < ?', 'C0001', 10), '1') };
must 'unicode'       => sub { equal(one($_[0], 'SELECT first_name FROM profiles WHERE visits = 1'), 'Zoë') };
must 'arrays'        => sub { equal(one($_[0], 'SELECT tags FROM profiles WHERE visits = 1'), ['a', 'b']) };
must 'rows as hashes' => sub { equal($_[0]->selectall_arrayref('SELECT city, opted_in FROM profiles WHERE visits = 1', { Slice => {} })->[0]{city}, 'Hull') };
must 'types of columns' => sub { my $it = $_[0]->prepare('SELECT profile_id, spend FROM profiles LIMIT 1'); $it->execute; equal($it->{pg_type}, ['int8', 'numeric']) };
must 'table_info'    => sub { my %names = map { $_->{TABLE_NAME} => $_->{TABLE_TYPE} } @{ $_[0]->table_info(undef, 'public', '%', undef)->fetchall_arrayref({}) }; equal([@names{'profiles', 'identity_conflicts'}], ['TABLE', 'VIEW']) };
must 'column_info'   => sub { my %names = map { $_->{COLUMN_NAME} => $_->{pg_type} } @{ $_[0]->column_info(undef, 'public', 'profiles', '%')->fetchall_arrayref({}) }; equal([@names{'profile_id', 'spend', 'tags'}], ['bigint', 'numeric(12,2)', 'text[]']) };
must 'primary_key'   => sub { equal([$_[0]->primary_key(undef, 'public', 'profiles')], ['profile_id']) };
must 'statistics_info' => sub { my $it = $_[0]->statistics_info(undef, 'public', 'profiles', 1, 1); equal(scalar(grep { ($_->{INDEX_NAME} // '') eq 'profiles_pkey' } @{ $it->fetchall_arrayref({}) }) > 0 ? 1 : 0, 1) };
must 'error has its SQLSTATE' => sub { eval { $_[0]->do('SELECT * FROM nothing_here') }; equal($_[0]->state, '42P01') };
must 'transaction'   => sub { my $db = $_[0]; $db->begin_work; eval { $db->do('SELECT 1/0') }; $db->rollback; equal("" . one($db, 'SELECT 1'), '1') };
must 'savepoints'    => sub { my $db = $_[0]; $db->begin_work; $db->pg_savepoint('a'); eval { $db->do('SELECT 1/0') }; $db->pg_rollback_to('a'); equal("" . one($db, 'SELECT 2'), '2'); $db->commit };
must 'ping'          => sub { equal($_[0]->ping > 0 ? 1 : 0, 1) };
should 'COPY out'    => sub { my $db = $_[0]; $db->do('COPY (SELECT customer_no FROM profiles WHERE visits < 3 ORDER BY 1) TO STDOUT'); my ($line, @lines) = (''); push @lines, $line while $db->pg_getcopydata($line) >= 0; equal(\@lines, ["C0001\n", "C0002\n"]) };
should 'notifications' => sub { my $db = $_[0]; $db->do('LISTEN perl_channel'); $db->do("NOTIFY perl_channel, 'payload'"); equal($db->pg_notifies->[2], 'payload') };

my $word = $ARGV[0] // '';
@planned = grep { index($_->[0], $word) >= 0 } @planned;
say_it(kind => 'plan', version => $DBD::Pg::VERSION // do { require DBD::Pg; "$DBD::Pg::VERSION" }, checks => [map { [$_->[0], $_->[1]] } @planned]);
for my $it (@planned) {
    my $problem = '';
    eval { local $SIG{ALRM} = sub { die "no answer within 30 s\n" }; alarm 30; $it->[2]->(connect_it()); alarm 0; 1 } or $problem = "$@" || 'failed';
    alarm 0;
    say_it(kind => 'check', name => $it->[0], problem => $problem);
}
