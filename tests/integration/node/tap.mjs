// A reporter for node's test runner: flat TAP, one line per test with the names of its suites before
// it, so that the counts of make check are tests and not files.
export default async function* tap(source) {
  const path = [];
  let count = 0;
  const name = (data) => [...path.slice(0, data.nesting), data.name].join(' > ').replace(/[#\n]/g, ' ');
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      path[data.nesting] = data.name;
    } else if (type === 'test:pass' || type === 'test:fail') {
      const failed = type === 'test:fail';
      if (data.details?.type === 'suite' && !(failed && data.details.error?.failureType !== 'subtestsFailed')) continue;
      count += 1;
      const note = data.skip !== undefined ? ` # SKIP ${data.skip === true ? '' : data.skip}` : '';
      yield `${failed ? 'not ok' : 'ok'} ${count} - ${name(data)}${note}\n`;
      if (failed) {
        const error = data.details?.error;
        const text = error?.cause?.stack ?? error?.cause ?? error?.stack ?? String(error);
        yield `${String(text).replace(/^/gm, '# ')}\n`;
      }
    } else if (type === 'test:diagnostic' && data.nesting > 0) {
      yield `# ${String(data.message).replace(/\n/g, '\n# ')}\n`;
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield `${String(data.message).replace(/\n$/, '').replace(/^/gm, '# ')}\n`;
    }
  }
  yield `1..${count}\n`;
}
