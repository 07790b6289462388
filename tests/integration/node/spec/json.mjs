// §14 ProtoJSON corner cases, §10 what an error says, proto2.
const bad = (...fields) => ({ status: 400, fields });
const m = (message) => ({ message });
const P = 'POST /b';
const O = 'POST /old';
const good = (sentence, body, message) => [sentence, P, m(message), body];
const fail = (sentence, body, ...fields) => [sentence, P, bad(...fields), body];
const deep = (n) => `${'{"self":'.repeat(n)}{}${'}'.repeat(n)}`;
const list = (n) => `${'['.repeat(n)}${']'.repeat(n)}`;

const rules = { A: ['POST /b *', 'POST /in/{str} inner'], Old: ['POST /old *'], Dynamic: ['POST /v *'], Up: ['POST /up *'] };

const numbers = [
  ...['i32', 's32', 'sf32', 'u32', 'f32', 'i64', 'u64', 's64', 'f64', 'sf64'].flatMap((name) => [
    ...['1', '"1"', '1.0', '"1.0"', '1e0', '10e-1', '0.1e1', '"1e0"', '1E+0', '1.000000000000000000000000000000000000'].map((text) => good(`${name} takes ${text}`, `{"${name}":${text}}`, { [name]: name.includes('64') ? '1' : 1 })),
    ...['1.5', '"1.5"', '1e-1', '"01"', '"+1"', '" 1"', '"1 "', '""', '"0x1"', '"1,0"', 'true', '[]', '{}', '"NaN"', '"one"', '1e30', '-1e30', '"1\\u0000"'].map((text) => fail(`${name} does not take ${text}`, `{"${name}":${text}}`, name)),
  ]),
  ...['01', '+1', '.5', '1.', '1e', '0x1', '-', '--1', '1e+', 'NaN', 'Infinity', '-Infinity', '1_0', '00', '-01'].map((text) => [`${text} is no number of JSON`, P, 400, `{"i32":${text}}`]),
  ...[['dbl', '"NaN"', 'NaN'], ['dbl', '"Infinity"', 'Infinity'], ['dbl', '"-Infinity"', '-Infinity'], ['dbl', '"1.5"', 1.5], ['dbl', '-0', -0], ['dbl', '-0.0', -0], ['dbl', '"-0"', -0], ['flt', '-0e5', -0], ['dbl', '1.7976931348623157e308', Number.MAX_VALUE], ['dbl', '5e-324', 5e-324], ['flt', '3.4028235e38', 3.4028235e38], ['flt', '1e-45', 1e-45], ['dbl', '123456789012345678', 123456789012345680], ['flt', '16777217', 16777216]].map(([name, text, value]) => good(`${name} takes ${text}`, `{"${name}":${text}}`, { [name]: value })),
  good('a double too small is zero', '{"dbl":1e-400}', {}),
  ...[['dbl', '1e309'], ['dbl', '-1e309'], ['dbl', '"1e309"'], ['flt', '3.5e38'], ['flt', '-1e39'], ['dbl', '"nan"'], ['dbl', '"inf"'], ['dbl', '"+Infinity"'], ['dbl', '""'], ['dbl', 'true'], ['dbl', '"1.5 "'], ['dbl', '"0x1"'], ['dbl', '[]']].map(([name, text]) => fail(`${name} does not take ${text}`, `{"${name}":${text}}`, name)),
  good('64 bits are exact', '{"i64":9007199254740993,"u64":18446744073709551615,"s64":-9223372036854775808}', { i64: '9007199254740993', u64: '18446744073709551615', s64: '-9223372036854775808' }),
  good('64 bits are exact with exponents', '{"i64":922337203685477580.7e1}', { i64: '9223372036854775807' }),
  fail('one above 64 bits', '{"i64":9223372036854775808}', 'i64'),
  fail('a fraction in 2^63', '{"i64":9223372036854775807.5}', 'i64'),
];

const texts = [
  ...['true', 'false'].map((text) => good(`bool takes ${text}`, `{"wBool":${text}}`, { wBool: text === 'true' })),
  ...['"true"', '1', '0', 'null1', '"false"'].map((text) => [`bool does not take ${text}`, P, 400, `{"flag":${text}}`]),
  good('escapes of JSON', '{"str":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}', { str: '"\\/\b\f\n\r\té' }),
  good('a surrogate pair', '{"str":"\\ud83d\\ude00"}', { str: '😀' }),
  good('hex digits in any case', '{"str":"\\uD83D\\uDe00"}', { str: '😀' }),
  good('an escaped NUL is data', '{"str":"a\\u0000b"}', { str: 'a\u0000b' }),
  good('U+2028 stands as it is', '{"str":"\u2028<"}', { str: '\u2028<' }),
  good('DEL stands as it is', '{"str":"\u007f"}', { str: '\u007f' }),
  ...['\\ud83d', '\\ude00', '\\ud83dx', '\\ude00\\ud83d', '\\ud83d\\u0041', '\\ud83d\\n', '\\ud83d\\ud83d\\ude00', '\\x41', '\\u12', '\\u123g', '\\', '\\U0041', '\\a', '\\0', "\\'"].map((text) => [`no text: ${text}`, P, 400, `{"str":"${text}"}`]),
  ...['\n', '\t', '\u0000', '\u001f'].map((text) => [`a raw control character ${text.charCodeAt(0)}`, P, 400, `{"str":"${text}"}`]),
  ...[[0x80], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff], [0xe2, 0x82], [0xf8, 0x88, 0x80, 0x80, 0x80]].flatMap((bytes) => [
    [`bad UTF-8 ${bytes.map((it) => it.toString(16))} in a text`, P, 400, Buffer.from([...Buffer.from('{"str":"'), ...bytes, ...Buffer.from('"}')])],
    [`bad UTF-8 ${bytes.map((it) => it.toString(16))} in a key`, P, 400, Buffer.from([...Buffer.from('{"'), ...bytes, ...Buffer.from('":1}')])]]),
  [`bad UTF-8 in an unknown field`, P, 400, Buffer.from([...Buffer.from('{"nope":"'), 0xff, ...Buffer.from('"}')])],
  ...[['"-_8="', '+/8='], ['"+/8"', '+/8='], ['"+_8="', '+/8='], ['"AA=="', 'AA=='], ['"AA"', 'AA=='], ['"AB=="', 'AA==']].map(([text, value]) => good(`bytes take ${text}`, `{"raw":${text}}`, { raw: value })),
  good('no bytes', '{"raw":""}', {}),
  ...['"A"', '"AA="', '"AA==="', '"A A="', '"AA\\n"', '"AA==AA=="', '"*"', '"="', '5', '[1]'].map((text) => fail(`bytes do not take ${text}`, `{"raw":${text}}`, 'raw')),
  good('an enum by name', '{"colour":"DARK_GREEN"}', { colour: 'DARK_GREEN' }),
  good('an enum by alias', '{"colour":"CRIMSON"}', { colour: 'RED' }),
  good('an enum by number', '{"colour":1.0}', { colour: 'RED' }),
  good('an enum by negative number', '{"colour":-1}', { colour: 'MINUS' }),
  good('an unknown number', '{"colour":77}', { colour: 77 }),
  ...['"dark_green"', '"NOPE"', '""', '1.5', '2147483648', 'true', '[]', '{}'].map((text) => fail(`an enum does not take ${text}`, `{"colour":${text}}`, 'colour')),
];

const scalarsAndMore = ['str', 'i32', 'i64', 'flag', 'flt', 'dbl', 'raw', 'colour', 'opt', 'optStr', 'list', 'nums', 'items', 'labels', 'inners', 'inner', 'wStr', 'wI32', 'wBool', 'at', 'ttl', 'mask', 'st', 'lv', 'any', 'nothing', 'left', 'mid', 'wrapped'];
const shape = [
  ...scalarsAndMore.map((name) => good('null leaves a field unset', `{"${name}":null}`, {})),
  good('null of a Value is a value', '{"val":null}', { val: null }),
  good('null of a NullValue', '{"nul":null}', {}),
  ...[['list', '[null]'], ['nums', '[1,null]'], ['items', '[null]'], ['times', '[null]'], ['ints', '[null]'], ['structs', '[null]'], ['anys', '[null]']].map(([name, text]) => [`null in the list ${name}`, P, 400, `{"${name}":${text}}`]),
  ...[['labels', 'labels[a]'], ['inners', 'inners[a]'], ['paint', 'paint[a]'], ['dates', 'dates[a]']].map(([name, field]) => fail(`null as a value of the map ${name}`, `{"${name}":{"a":null}}`, field)),
  good('null in a list of Value', '{"vals":[null]}', { vals: [null] }),
  good('null in a map of Value', '{"values":{"a":null}}', { values: { a: null } }),
  fail('a key twice', '{"i32":1,"i32":1}', 'i32'),
  fail('a key twice, null', '{"i32":null,"i32":1}', 'i32'),
  fail('json_name and proto name', '{"twoWords":"a","two_words":"a"}', 'two_words'),
  fail('proto name and json_name', '{"two_words":"a","twoWords":"a"}', 'twoWords'),
  fail('a key twice, one written with an escape', '{"i32":1,"i3\\u0032":1}', 'i32'),
  fail('a key twice, nested', '{"inner":{"name":"a","name":"b"}}', 'inner.name'),
  fail('a list twice', '{"list":[],"list":[]}', 'list'),
  good('swapped names are those of JSON', '{"swapped_a":"x"}', { swapped_a: 'x' }),
  good('both swapped names', '{"swapped_a":"x","swapped_b":"y"}', { swapped_a: 'x', swapped_b: 'y' }),
  good('a json_name with a dot', '{"a.b":"x"}', { 'a.b': 'x' }),
  good('a key with an escape', '{"\\u0073tr":"x"}', { str: 'x' }),
  fail('a oneof twice', '{"left":"a","right":1}', 'right'),
  fail('a oneof twice, default values', '{"left":"","right":0}', 'right'),
  good('a oneof and null', '{"left":"a","right":null}', { left: 'a' }),
  good('null and a oneof', '{"right":null,"wrapped":null,"left":"a"}', { left: 'a' }),
  fail('a NullValue member counts', '{"left":"a","none":null}', 'none'),
  fail('a Value member counts', '{"some":null,"left":"a"}', 'left'),
  fail('an empty message member counts', '{"mid":{},"left":"a"}', 'left'),
  fail('an unknown field', '{"nope":1}', 'nope'),
  fail('an unknown field of null', '{"nope":null}', 'nope'),
  fail('an empty key', '{"":1}'),
  fail('names are told by case', '{"STR":"a"}', 'STR'),
  fail('an unknown field, nested', '{"inner":{"nope":1}}', 'inner.nope'),
  fail('an index counts from 0', '{"items":[{},{"size":"x"}]}', 'items[1].size'),
  fail('an index of a scalar list', '{"nums":[1,2,"x"]}', 'nums[2]'),
  fail('a map key in the path', '{"inners":{"a b":{"deep":{"id":"x"}}}}', 'inners[a b].deep.id'),
  fail('the path as the client wrote it', '{"inner":{"two_words":5}}', 'inner.two_words'),
  fail('lists in lists of a map', '{"inners":{"k":{"deeps":[{},{"id":true}]}}}', 'inners[k].deeps[1].id'),
  ...['{"i32":1,}', '{,"i32":1}', '{"i32":1 "i64":2}', '{"i32" 1}', '{"i32":}', "{'i32':1}", '{i32:1}', '{"i32":1', '{"nums":[1,]}', '{"nums":[,1]}', '{"nums":[1 2]}', '{"nums":[1}', '{"i32":1]', '/* */{}', '{}//', '{"i32":1;}', '{"i32"::1}', '{"i32":tru}', '{"i32":nul}', '{"flag":True}', '{"i32":1}}', '"', '{', '{"', '{"a', '{"nums":[', '[', 'tru', '{"i32":1}\n,', '{"i32":undefined}'].map((text) => [`not JSON: ${text}`, P, { status: 400, code: 3 }, text]),
  good('white space everywhere', ' {\t"i32"\r:\n1 , "nums" : [ 1 , 2 ] } ', { i32: 1, nums: [1, 2] }),
  ...[['labels', '{"":"x","a":"y"}'], ['byI32', '{"-5":"x"}'], ['byU64', '{"18446744073709551615":"x"}'], ['byBool', '{"true":"x","false":"y"}'], ['bySf64', '{"-9223372036854775808":"x"}']].map(([name, text]) => good(`keys of ${name}`, `{"${name}":${text}}`, { [name]: JSON.parse(text) })),
  ...[['byI32', '01'], ['byI32', '-0'], ['byI32', '1.0'], ['byI32', '1e3'], ['byI32', '2147483648'], ['byI32', ''], ['byI32', ' 1'], ['byU32', '-1'], ['byBool', 'True'], ['byBool', '1'], ['byU64', '18446744073709551616']].map(([name, key]) => fail(`no key of ${name}`, `{"${name}":{"${key}":"x"}}`, key ? `${name}[${key}]` : name)),
  fail('a map key twice', '{"labels":{"a":"x","a":"y"}}', 'labels[a]'),
  fail('a map key twice, one with an escape', '{"labels":{"a":"x","\\u0061":"y"}}', 'labels[a]'),
  fail('a bare number is no key', '{"byI32":{1:"x"}}', 'byI32'),
];

const known = [
  ...['{"@type":"t/spec.Deep","leaf":"x"}', '{"leaf":"x","@type":"t/spec.Deep"}', '{"@type":"https://h/x/spec.Deep","leaf":"x"}'].map((text) => [`Any: ${text}`, P, 200, `{"any":${text}}`]),
  good('Any: empty', '{"any":{}}', { any: {} }),
  good('Any: a well-known type in value', '{"any":{"@type":"t/google.protobuf.Duration","value":"1s"}}', { any: { '@type': 't/google.protobuf.Duration', value: '1s' } }),
  good('Any: a Value of null', '{"any":{"value":null,"@type":"t/google.protobuf.Value"}}', { any: { '@type': 't/google.protobuf.Value', value: null } }),
  good('Any: a Struct', '{"any":{"@type":"t/google.protobuf.Struct","value":{"a":1}}}', { any: { '@type': 't/google.protobuf.Struct', value: { a: 1 } } }),
  good('Any: an Int64Value', '{"any":{"@type":"t/google.protobuf.Int64Value","value":5}}', { any: { '@type': 't/google.protobuf.Int64Value', value: '5' } }),
  good('Any: an Any', '{"any":{"@type":"t/google.protobuf.Any","value":{"@type":"t/spec.Deep","id":1}}}', { any: { '@type': 't/google.protobuf.Any', value: { '@type': 't/spec.Deep', id: '1' } } }),
  ...['{"leaf":"x"}', '{"@type":"spec.Deep"}', '{"@type":""}', '{"@type":"t/"}', '{"@type":5}', '{"@type":null}', '{"@type":"t/spec.Nope"}', '{"@type":"t/spec.Deep","nope":1}', '{"@type":"t/spec.Deep","@type":"t/spec.Deep"}', '{"@type":"t/spec.Deep","leaf":"x","leaf":"x"}', '{"@type":"t/google.protobuf.Duration"}', '{"@type":"t/google.protobuf.Duration","value":"x"}', '{"@type":"t/google.protobuf.Duration","value":"1s","more":1}', '"x"', '[]'].map((text) => [`Any: no ${text}`, P, 400, `{"any":${text}}`]),
  fail('Any: the path goes inside', '{"any":{"@type":"t/spec.Deep","id":"x"}}', 'any.id'),
  fail('Any: the path goes inside, type last', '{"any":{"id":"x","@type":"t/spec.Deep"}}', 'any.id'),
  ...[['2020-01-02T03:04:05Z', '2020-01-02T03:04:05Z'], ['2020-01-02T03:04:05.1Z', '2020-01-02T03:04:05.100Z'], ['2020-01-02T03:04:05.000100Z', '2020-01-02T03:04:05.000100Z'], ['2020-01-02T03:04:05.000000001Z', '2020-01-02T03:04:05.000000001Z'], ['2020-01-02T03:04:05+23:59', '2020-01-01T03:05:05Z'], ['2020-01-02T03:04:05-08:00', '2020-01-02T11:04:05Z'], ['1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59.500Z'], ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00Z']].map(([text, value]) => good(`Timestamp ${text}`, `{"at":"${text}"}`, { at: value })),
  ...['1900-02-29T00:00:00Z', '2020-01-02T03:04:05', '2020-01-02T03:04:05+0100', '2020-01-02T03:04:05+24:00', '2020-01-02 03:04:05Z', '2020-01-02T03:04Z', '', '+2020-01-02T03:04:05Z', '2020-01-02T03:04:05ZZ', ' 2020-01-02T03:04:05Z'].map((text) => fail(`no Timestamp: ${text}`, `{"at":"${text}"}`, 'at')),
  ...[['1s', '1s'], ['-1.5s', '-1.500s'], ['0.000001s', '0.000001s'], ['-0.5s', '-0.500s'], ['01s', '1s']].map(([text, value]) => good(`Duration ${text}`, `{"ttl":"${text}"}`, { ttl: value })),
  ...['1', '1 s', '1.s', '+1s', '--1s', '1S', '', 's', '1m', '1.0000000001s', '315576000001s', '99999999999999999999s'].map((text) => fail(`no Duration: ${text}`, `{"ttl":"${text}"}`, 'ttl')),
  ...[['a', 'a'], ['aB.cD,e', 'aB.cD,e'], ['', '']].map(([text, value]) => good(`FieldMask ${text}`, `{"mask":"${text}"}`, { mask: value })),
  ...['a_b', 'a,b_c', 'foo_Bar'].map((text) => fail(`no FieldMask: ${text}`, `{"mask":"${text}"}`, 'mask')),
  good('Struct', '{"st":{"a":null,"b":[{}],"":1}}', { st: { a: null, b: [{}], '': 1 } }),
  fail('Struct: a key twice', '{"st":{"a":1,"a":1}}', 'st[a]'),
  fail('Value: a number that overflows', '{"val":1e309}', 'val'),
  good('Value: "NaN" is a text', '{"val":"NaN"}', { val: 'NaN' }),
  good('Value: an integer loses digits as a double', '{"val":9007199254740993}', { val: 9007199254740992 }),
  good('Empty', '{"nothing":{}}', { nothing: {} }),
  fail('Empty: an unknown key', '{"nothing":{"a":1}}', 'nothing.a'),
  ...['{"wI32":{"value":1}}', '{"wStr":5}', '{"wBool":"true"}', '{"wRaw":"*"}', '{"wI32":2147483648}', '{"wU64":-1}', '{"wFlt":1e39}'].map((text) => [`no wrapper: ${text}`, P, 400, text]),
  good('wrappers of defaults are set', '{"wStr":"","wI32":0,"wBool":false,"wDbl":0,"wRaw":""}', { wStr: '', wI32: 0, wBool: false, wDbl: 0, wRaw: '' }),
];

const depth = [
  [`100 levels of messages`, P, 200, deep(99)],
  [`101 levels of messages`, P, 400, deep(100)],
  [`10,000 levels`, P, 400, deep(10000)],
  [`a Struct level is three messages`, 'POST /v', 200, list(33)],
  [`49 lists of Values`, 'POST /v', 200, list(49)],
  [`51 lists of Values are too deep`, 'POST /v', 400, list(51)],
  ['objects within a Struct', 'POST /b', 200, `{"st":${'{"a":'.repeat(32)}1${'}'.repeat(32)}}`],
  ['34 objects within a Struct are too deep', 'POST /b', 400, `{"st":${'{"a":'.repeat(34)}1${'}'.repeat(34)}}`],
  ['a Value in a query below messages counts them', `POST /in/a?inner.${'self.'.repeat(10)}val=${list(48)}`, bad(`?inner.${'self.'.repeat(10)}val`)],
  ['49 lists in a field of the request', `POST /in/a?val=${list(49)}`, 200],
  ['50 lists in a field of the request', `POST /in/a?val=${list(50)}`, bad('?val')],
  ['48 lists in a map', `POST /in/a?values[a]=${list(48)}`, 200],
  ['50 lists in a map', `POST /in/a?values[a]=${list(50)}`, bad('?values[a]')],
  ['and is let pass when it fits', `POST /in/a?inner.${'self.'.repeat(10)}val=${list(40)}`, 200],
  ['an unknown field of 10,000 levels', P, 400, `{"nope":${list(10000)}}`],
  ['brackets alone', P, 400, '['.repeat(100000)],
];

const says = (sentence, body, text, ...fields) => [sentence, P, { status: 400, code: 3, text, ...(fields.length ? { fields } : {}) }, body];
const errors = [
  says('syntax errors carry line, column and byte offset', '{\n  "i32": x\n}', /line 2, column 10, byte 11\b/),
  says('at the first byte', 'x', /line 1, column 1, byte 0\b/),
  says('bad values carry them too', '{"i32":"x"}', /line 1, column 11, byte 10\b/, 'i32'),
  says('at the end', '{"i32":1', /line 1, column 9, byte 8\b/),
  says('unknown keys carry them', '{"i32":1,\r\n"nope":2}', /line 2, column 7, byte 17\b/, 'nope'),
  ...[['[{"i32":1},\n {"i32":"x"}]', /message 2 of the stream: .*line 2, column 12, byte 23\b/], ['{"i32":1}\n\n{"i32":"x"}', /line 3, column 11, byte 21\b/], [' {"i32":"x"}', /line 1, column 12, byte 11\b/]]
    .map(([body, text]) => ['places in a stream are those of its body', 'POST /up', { status: 400, text }, body]),
  says('no internals', '{"i32":"x"}', /^(?!.*(json_|\.c:|0x|token|parser)).*$/),
  says('a text of a field is not echoed beyond reason', `{"colour":"${'x'.repeat(100000)}"}`, /^.{1,600}$/, 'colour'),
  [`a long key is cut`, P, 400, `{"${'k'.repeat(100000)}":1}`],
  ['several bad parameters: one violation each', 'POST /in/%FF?i32=x&nope=1&inner=2', bad('str', '?i32', '?nope', '?inner'), '{}'],
  ['100 bad parameters', `POST /in/a?${Array.from({ length: 100 }, (_, i) => `n${i}=1`).join('&')}`, 400, '{}'],
];

const old = [
  ['proto2 fields', O, m({ str: 'a', num: 0, closed: 'ZERO', flag: false }), '{"str":"a","num":0,"closed":"ZERO","flag":false}'],
  ['a group', O, m({ data: { name: 'a', size: 0 } }), '{"data":{"name":"a","size":0}}'],
  ['an empty group', O, m({ data: {} }), '{"data":{}}'],
  ['a list of groups', O, m({ row: [{ name: 'a' }, {}] }), '{"row":[{"name":"a"},{}]}'],
  ['an unknown key in a group', O, bad('data.nope'), '{"data":{"nope":1}}'],
  ['null of a group', O, m({}), '{"data":null}'],
  ['an extension', O, m({ '[spec2.note]': 'x' }), '{"[spec2.note]":"x"}'],
  ['a repeated extension', O, m({ '[spec2.marks]': [1, 2] }), '{"[spec2.marks]":[1,2]}'],
  ['a message extension', O, m({ '[spec2.deep]': { name: 'a', size: 1 } }), '{"[spec2.deep]":{"name":"a","size":1}}'],
  ['an extension twice', O, bad('[spec2.note]'), '{"[spec2.note]":"x","[spec2.note]":"y"}'],
  ['an unknown extension', O, bad('[spec2.nope]'), '{"[spec2.nope]":1}'],
  ['an extension without brackets', O, bad('spec2.note'), '{"spec2.note":"x"}'],
  ['an extension of another message', 'POST /b', bad('[spec2.note]'), '{"[spec2.note]":"x"}'],
  ['required fields', O, m({ strict: { name: 'a', size: 0 } }), '{"strict":{"name":"a","size":0}}'],
  ['an unknown number of a closed enum', O, bad('closed'), '{"closed":5}'],
  ['an unknown number of a closed enum in a list', O, 400, '{"closeds":["ONE",5]}'],
  ['an unknown number of a closed enum in a map', O, 400, '{"byName":{"a":5}}'],
  ['bytes of a text that is no UTF-8', O, 400, Buffer.from([...Buffer.from('{"str":"'), 0xff, ...Buffer.from('"}')])],
];

const lenient = {
  title: '§14 with http.ignore_unknown_fields',
  rules,
  config: 'http: {ignore_unknown_fields: true, json: {always_print_primitive_fields: false}}\n',
  rows: [
    good('unknown fields are dropped', '{"nope":[1,{"a":null}],"i32":1}', { i32: 1 }),
    good('unknown fields twice', '{"nope":1,"nope":2}', {}),
    good('unknown enum names are dropped', '{"colour":"NOPE"}', {}),
    good('unknown enum names in lists', '{"colours":["RED","NOPE"]}', { colours: ['RED'] }),
    good('unknown enum names in maps', '{"paint":{"a":"NOPE","b":"RED"}}', { paint: { b: 'RED' } }),
    good('unknown keys of Empty', '{"nothing":{"a":1}}', { nothing: {} }),
    good('unknown keys in an Any', '{"any":{"@type":"t/spec.Deep","nope":1,"id":2}}', { any: { '@type': 't/spec.Deep', id: '2' } }),
    fail('known fields twice all the same', '{"i32":1,"i32":1}', 'i32'),
    fail('bad values all the same', '{"i32":"x"}', 'i32'),
    ['what is skipped must be JSON', P, 400, '{"nope":[1,]}'],
    ['what is skipped must be UTF-8', P, 400, Buffer.from([...Buffer.from('{"nope":"'), 0xff, ...Buffer.from('"}')])],
    ['what is skipped has a depth as well', P, 400, `{"nope":${list(10000)}}`],
    ['unknown query parameters are another option', 'POST /in/a?nope=1', bad('?nope'), '{}'],
  ],
};

const printing = {
  title: '§14 defaults are printed',
  rules: { A: ['POST /b *'], Old: ['POST /old *'] },
  config: 'http: {}\n',
  rows: [
    ['proto2: fields with presence and extensions are not there', O, m({ nums: [], row: [], closeds: [], byName: {} }), '{}'],
  ],
};
export default [
  { title: '§14 numbers', rules, rows: numbers },
  { title: '§14 bool, string, bytes, enum', rules, rows: texts },
  { title: '§14 null, duplicates, oneofs, maps, top level', rules, rows: shape },
  { title: '§14 well-known types', rules, rows: known },
  { title: '§14 depth', rules, rows: depth },
  { title: '§10 errors', rules, rows: errors },
  { title: '§14 proto2', rules, rows: old },
  lenient, printing,
];
