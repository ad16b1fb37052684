// Reads TAP with a foreign parser, strictly, and prints its test points.
const { Parser } = require('tap-parser');
const text = require('fs').readFileSync(process.argv[2], 'utf8');
const parser = new Parser({ strict: true }, (results) => {
  for (const failure of results.failures) if (failure.tapError) console.log(JSON.stringify({ wrong: failure.tapError }));
  console.log(JSON.stringify({ count: results.count, pass: results.pass, fail: results.fail, bailout: results.bailout }));
});
const show = (path) => (result) => {
  console.log(JSON.stringify({ path, ok: result.ok, name: result.name, diag: result.diag, skip: result.skip, todo: result.todo }));
};
parser.on('assert', show([]));
parser.on('child', (child) => child.on('assert', show([child.name])));
parser.on('extra', (line) => console.log(JSON.stringify({ wrong: line })));
parser.end(text);
