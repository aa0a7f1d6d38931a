import fc from 'fast-check';
import { parseJsonBody } from './json-body.ts';
import { scanJson } from './scan-json.ts';
import { repeatedNames } from './repeated-names.ts';
const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd', '{', '"', '\\', ',', ':'), { maxLength: 5 });
let n = 0;
const r = fc.check(
    fc.property(names, names, (outer, inner) => {
      n++;
      const members = (list: readonly string[], value: string) =>
        list.map((name) => `${JSON.stringify(name)}:${value}`).join(', ');
      const text = `{"x": [${inner.length}, {${members(inner, '"{,:\\""')}}], ${members(outer, '[]') || '"y": 1'}}`;
      const isUnique = new Set(inner).size === inner.length && new Set(outer).size === outer.length;
      const p = parseJsonBody(Buffer.from(text));
      if (p.ok !== isUnique) {
        console.log(n, text, JSON.stringify(p), scanJson(text), repeatedNames(text), JSON.stringify(JSON.parse(text)), JSON.stringify(JSON.parse(Buffer.from(text).toString('utf8'))));
      }
      return p.ok === isUnique;
    }), {endOnFailure: true});
console.log(r.failed, r.counterexample);
