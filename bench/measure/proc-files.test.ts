import { describe, expect, it } from 'vitest';
import { parseStat, parseStatusBytes } from './proc-files.ts';

const STAT =
  '2417 (postgres: (odd) name) S 2401 2417 2417 0 -1 4194624 9 8 7 6 250 125 40 10 20 0 1 0 77 1 2 18446744073709551615';

describe('/proc/<pid>/stat', () => {
  it('gives parent and CPU whatever the command is called', () => {
    expect(parseStat(STAT)).toEqual({ parentPid: 2401, cpuUs: 3_750_000, reapedCpuUs: 500_000 });
  });
});

describe('/proc/<pid>/status', () => {
  const status = 'Name:\tnode\nVmHWM:\t  400000 kB\nVmRSS:\t  300000 kB\nRssAnon:\t  200000 kB\n';

  it('gives sizes in bytes', () => {
    expect(parseStatusBytes(status, 'VmRSS')).toBe(300_000 * 1024);
    expect(parseStatusBytes(status, 'RssAnon')).toBe(200_000 * 1024);
  });

  it('gives nothing for a kernel thread', () => {
    expect(parseStatusBytes('Name:\tkthreadd\n', 'VmRSS')).toBe(0);
  });
});
