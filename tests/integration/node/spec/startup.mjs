// §1 where rules come from, §2 the grammar of templates: what must be found at start.
const rule = (more) => ({ selector: 'spec.Spec.A', ...more });
const get = (template, more = {}) => [rule({ get: template, ...more })];

const templates = ['', 'x', 'x/y', '//', '/x/', '/x//y', '/ ', '/x y', '/x?y', '/x#y', '/x?a=b', '/a*', '/*a', '/a**', '/***', '/a{str}', '/{str}a', '/{str}{i32}', '/{str}{', '/{', '/}', '/{}', '/{str', '/str}', '/{str=}', '/{=str}', '/{str=*', '/{str=/a}', '/{str=a/}', '/{str=a//b}', '/{str={i32}}', '/{str=a/{i32}}', '/{str=**/*}', '/{1str}', '/{str.}', '/{.str}', '/{inner..name}', '/{str-a}', '/{inner.name', '/{ str }', '/{str = *}', '/**/**', '/**/*', '/**/{str}', '/{str=**}/{opt_str}', '/**/x/**', '/x:', '/x:a:', '/x::a', '/x:a/b', '/x:*', '/x:{str}', '/x:a{str}', '/a:b/{str}', '/{str}:', ':a', '/{str:a}', '/{str=a:b}', '/%', '/%4', '/%4g', '/x%', '/x:%zz', '/a"b', '/a<b>', '/a\\b', '/a^b', '/a`b', '/a|b', '/a[b]', '/a\u0001', '/*/{str=*}{i32=*}', '/{inner.name}/{str}/**/*', `/${'a/'.repeat(64)}a`, `/${'a'.repeat(2048)}`];

const good = ['/', '/:v', '/*', '/**', '/{str}', '/{str=*}', '/{str=**}', '/{str=a}', '/{str=a/*/b/**}', '/**/a', '/{str=**}/a/b', '/{str=**/a}', '/x:a', '/x:a:b', '/{str}:a', '/**:a', '/a.b-c_d~e', '/@', '/a,b;c=d', '/%41', '/%2F', '/ä', '/x:%41', '/{inner.deep.leaf}', '/{w_str}/{at}/{ttl}/{mask}/{colour}', '/{self.self.str}', '/{opt}', '/{left}', '/{nul}', '/$x', '/x!'];

const variables = [
  ['an unknown field', '/{nope}', /nope/],
  ['an unknown nested field', '/{inner.nope}', /nope/],
  ['a json_name is no field', '/{twoWords}', /twoWords/],
  ['a repeated field', '/{list}', /[Rr]epeated/],
  ['a repeated field on the way', '/{items.name}', /[Rr]epeated/],
  ['a map', '/{labels}', /[Mm]ap/],
  ['a map on the way', '/{inners.name}', /[Mm]ap/],
  ['a message', '/{inner}', /Message/],
  ['a nested message', '/{inner.deep}', /Message/],
  ['an Any', '/{any}', /Message/],
  ['an Empty', '/{nothing}', /Message/],
  ['a Struct', '/{st}', /Message/],
  ['a Value', '/{val}', /Message/],
  ['a ListValue', '/{lv}', /Message/],
  ['a HttpBody', '/{blob}', /Message/],
  ['a field of a scalar', '/{str.x}', /no fields/],
  ['a field of a wrapper', '/{w_str.value}', /no fields/],
  ['a field of a Timestamp', '/{at.seconds}', /no fields/],
  ['the same field twice', '/{str}/{str}', /Duplicate/],
  ['the same nested field twice', '/{inner.name}/x/{inner.name}', /Duplicate/],
  ['two members of a oneof', '/{left}/{right}', /oneof/],
  ['two nested members of a oneof', '/{inner.east}/{inner.west}', /oneof/],
  ['a member of a oneof and a field inside another', '/{left}/{mid.name}', /oneof/],
];

const all = {
  title: '§1 rules that must not start, §2 templates',
  rows: [
    ...templates.map((template) => [`a bad template: ${template.slice(0, 40)}`, get(template), { template: /^[!-~]{0,200}$/.test(template) ? template : '' }]),
    ...good.map((template) => [`a good template: ${template}`, get(template), { status: 0, says: ['0 errors'] }]),
    ...variables.map(([sentence, template, text]) => [`a path variable: ${sentence}`, get(template), { template, text }]),
    ['two different nested fields', get('/{inner.name}/{inner.size}'), { status: 0, says: ['0 errors'] }],
    ['{x} is {x=*}', get('/v/{str}', { additional_bindings: [{ get: '/v/{str=*}' }] }), { template: '/v/{str=*}', text: /same route/ }],
    ['two variables of one shape', get('/v/{str}', { additional_bindings: [{ get: '/v/{opt_str}' }] }), { template: '/v/{opt_str}', text: /same route/ }],
    ['escapes of one shape', get('/v/%41', { additional_bindings: [{ get: '/v/A' }] }), { template: '/v/%41', text: /same route/ }],
    ['the same shape with a verb', get('/v/{str}:a', { additional_bindings: [{ get: '/v/*:%61' }] }), { template: '/v/{str}:a', text: /same route/ }],
    ['the same shape of two methods', [rule({ get: '/v/{str}' }), { selector: 'spec.Spec.B', get: '/v/*' }], { text: /same route/, says: ['spec.Spec.A', 'spec.Spec.B'] }],
    ['the same shape, another HTTP method', get('/v/{str}', { additional_bindings: [{ put: '/v/{str}' }] }), { status: 0, says: ['0 errors'] }],
    ['the same shape, any HTTP method', get('/v/{str}', { additional_bindings: [{ custom: { kind: '*', path: '/v/{str}' } }] }), { status: 0, says: ['0 errors', '1 overlaps'] }],
    ['the same shape, another verb', get('/v/{str}:a', { additional_bindings: [{ get: '/v/{str}:b' }] }), { status: 0, says: ['0 errors'] }],
    ['overlaps are told, with who wins', get('/v/{str}', { additional_bindings: [{ get: '/v/lit' }] }), { status: 0, text: /overlap: GET '\/v\/lit' .* wins over GET '\/v\/\{str\}'/ }],
    ['nested additional_bindings', get('/a', { additional_bindings: [{ get: '/b', additional_bindings: [{ get: '/c' }] }] }), { template: '/b', text: /one level/ }],
    ['an error in an additional binding', get('/a', { additional_bindings: [{ get: '/{nope}' }] }), { template: '/{nope}' }],
    ['additional bindings inherit no body', get('/a', { additional_bindings: [{ post: '/b' }] }), { status: 0, text: /POST +\/b -> spec.Spec.A\n/ }],
    ['an unknown body', get('/a', { body: 'nope' }), { template: '/a', text: /nope/ }],
    ['a nested body', get('/a', { body: 'inner.deep' }), { template: '/a', text: /inner\.deep/ }],
    ['a body by json_name', get('/a', { body: 'twoWords' }), { template: '/a' }],
    ['a body that is a path variable', get('/{str}', { body: 'str' }), { template: '/{str}' }],
    ['a body that is in a oneof with a path variable', get('/{left}', { body: 'right' }), { template: '/{left}' }],
    ['a body that holds a path variable', [rule({ put: '/v/{inner.name}', body: 'inner' })], { status: 0, says: ['0 errors, 0 warnings'] }],
    ['an unknown response_body', get('/a', { response_body: 'nope' }), { template: '/a', text: /nope/ }],
    ['a nested response_body', get('/a', { response_body: 'inner.name' }), { template: '/a', text: /inner\.name/ }],
    ['a response_body of every kind', get('/a', { response_body: 'labels' }), { status: 0, says: ['response_body:labels'] }],
    ['an empty pattern', [rule({})], { text: /[Pp]attern/ }],
    ['an empty pattern with a body', [rule({ body: '*' })], { text: /[Pp]attern/ }],
    ['a custom kind that is no token', [rule({ custom: { kind: 'A B', path: '/a' } })], { template: '/a', text: /A B/ }],
    ['an empty custom kind', [rule({ custom: { kind: '', path: '/a' } })], { template: '/a' }],
    ['a custom kind of two stars', [rule({ custom: { kind: '**', path: '/a' } })], { status: 0, says: ['0 errors'] }],
    ['a selector that names no method', [{ selector: 'spec.Spec.Nope', get: '/a' }], { text: /names no method/ }],
    ['a selector that names a service', [{ selector: 'spec.Spec', get: '/a' }], { text: /names no method/ }],
    ['for the same selector the last rule wins', [rule({ get: '/first' }), rule({ get: '/last' })], { status: 0, text: /^(?![\s\S]*\/first)[\s\S]*\/last/ }],
    ['a bad rule that is replaced is no matter', [rule({ get: 'bad' }), rule({ get: '/last' })], { status: 0, says: ['0 errors'] }],
    ['body on GET is a warning', get('/a', { body: '*' }), { status: 0, text: /warning: GET '\/a'/ }],
    ['body on DELETE is a warning', [rule({ delete: '/a', body: '*' })], { status: 0, text: /warning: DELETE '\/a'/ }],
    ['body on HEAD is a warning', [rule({ custom: { kind: 'HEAD', path: '/a' }, body: '*' })], { status: 0, text: /warning: HEAD '\/a'/ }],
    ['body on POST is none', [rule({ post: '/a', body: '*' })], { status: 0, says: ['0 warnings'] }],
    ['a client stream without body is a warning', [{ selector: 'spec.Spec.Up', get: '/a/{str}' }], { status: 0, text: /warning: GET '\/a\/\{str\}'/ }],
    ['every method keeps its gRPC path', get('/a'), { status: 0, text: /POST +\/spec.Spec\/A -> spec.Spec.A \(generated\)/ }],
    ['a written rule takes the place of a generated one', [rule({ post: '/spec.Spec/B', body: '*' })], { status: 0, text: /warning: .*takes the place/ }],
    ['a rule that the gateway hides is a warning', get('/ready'), { status: 0, text: /warning: GET '\/ready'/ }],
    ['a group as the body', [{ selector: 'spec.Spec.Old', post: '/a', body: 'data' }], { template: '/a', text: /group/ }],
    ['a group in the path', [{ selector: 'spec.Spec.Old', get: '/{data}' }], { template: '/{data}' }],
    ['a field of a group in the path', [{ selector: 'spec.Spec.Old', get: '/{data.name}' }], { template: '/{data.name}' }],
    ['an extension in the path', [{ selector: 'spec.Spec.Old', get: '/{note}' }], { template: '/{note}' }],
    ['17 variables', [{ selector: 'spec.Spec.A', get: `/${['str', 'i32', 'i64', 'u32', 'u64', 's32', 's64', 'f32', 'f64', 'sf32', 'sf64', 'flag', 'flt', 'dbl', 'raw', 'colour', 'opt'].map((it) => `{${it}}`).join('/')}` }], { text: /variables/ }],
  ],
};

const method = (option) => `rpc Call(spec.All) returns (spec.All) { option (google.api.http) = { ${option} }; }`;
const where = (template) => ['FILE', 'PKG.S.Call', template];
const protos = [
  ['a bad template', method('get: "/a{"'), { says: where('/a{') }],
  ['an unknown variable', method('get: "/{nope}"'), { says: where('/{nope}') }],
  ['an unknown body', method('post: "/a" body: "nope"'), { says: where('/a') }],
  ['a nested body', method('post: "/a" body: "inner.name"'), { says: where('/a') }],
  ['an unknown response_body', method('get: "/a" response_body: "nope"'), { says: where('/a') }],
  ['nested additional bindings', method('get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }'), { says: where('/b') }],
  ['an empty pattern', method(''), { says: ['FILE', 'PKG.S.Call'] }],
  ['an empty pattern in an additional binding', method('get: "/a" additional_bindings { body: "*" }'), { says: ['FILE', 'PKG.S.Call'] }],
  ['a selector of another method', method('selector: "spec.Spec.A" get: "/a"'), { says: where('spec.Spec.A') }],
  ['its own selector', method('selector: "p8.S.Call" get: "/a"'), { status: 0, says: ['0 errors'] }],
  ['two of one shape', `${method('get: "/a/{str}"')} ${method('get: "/a/{i32}"').replace('Call', 'Other')}`, { says: [...where('/a/{i32}'), 'PKG.S.Other'] }],
  ['everything wrong is told at once', `${method('get: "a"')} ${method('get: "/{nope}"').replace('Call', 'Other')}`, { says: ['PKG.S.Call', 'PKG.S.Other', '2 errors'] }],
  ['a good one', method('get: "/a/{str}" additional_bindings { put: "/a" body: "*" }'), { status: 0, says: ['GET     /a/{str} -> PKG.S.Call', 'PUT     /a -> PKG.S.Call body:*'] }],
];
protos[9][1] = method('selector: "p9.S.Call" get: "/a"');

export default { files: [all], protos };
