import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResponseReader, UnreadableResponse } from './response-reader.ts';

const ACCEPTED =
  'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"id":"pay"}';

describe('ResponseReader', () => {
  it('reads an answer that comes at once', () => {
    const reader = new ResponseReader();
    expect(reader.read(Buffer.from(ACCEPTED))).toBe(true);
    expect(reader.status).toBe(202);
    expect(reader.body.toString()).toBe('{"id":"pay"}');
  });

  it('reads the same answer from any pieces, though their buffer is reused', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: ACCEPTED.length - 1 }), { maxLength: 8 });
    fc.assert(
      fc.property(cuts, (places) => {
        const reader = new ResponseReader();
        const complete = piecesOf(ACCEPTED, places).map((piece) => readAndReuse(reader, piece));
        expect(complete.indexOf(true)).toBe(complete.length - 1);
        expect(reader.status).toBe(202);
      }),
    );
  });

  it('reads one answer after the other', () => {
    const reader = new ResponseReader();
    reader.read(Buffer.from(ACCEPTED));
    expect(reader.read(Buffer.from('HTTP/1.1 503 No\r\nContent-Length:0\r\n\r\n'))).toBe(true);
    expect(reader.status).toBe(503);
    expect(reader.body.length).toBe(0);
  });

  it('begins anew on a new connection', () => {
    const reader = new ResponseReader();
    reader.read(Buffer.from(ACCEPTED.slice(0, 30)));
    reader.reset();
    expect(reader.read(Buffer.from(ACCEPTED))).toBe(true);
  });

  it.each([
    ['no length', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a length in its body only', 'HTTP/1.1 200 OK\r\nx: y\r\n\r\ncontent\r\ncontent-length: 3'],
    ['two answers', `${ACCEPTED}${ACCEPTED}`],
    ['another protocol', 'SSH-2.0-Open\r\ncontent-length: 0\r\n\r\n'],
    ['no end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1024 * 1024)}`],
  ])('refuses %s', (_, bytes) => {
    expect(() => new ResponseReader().read(Buffer.from(bytes))).toThrow(UnreadableResponse);
  });
});

function piecesOf(text: string, places: readonly number[]): string[] {
  const bounds = [0, ...new Set(places), text.length].sort((a, b) => a - b);
  return bounds.slice(1).map((end, index) => text.slice(bounds[index], end));
}

function readAndReuse(reader: ResponseReader, piece: string): boolean {
  const chunk = Buffer.from(piece);
  const isComplete = reader.read(chunk);
  if (!isComplete) chunk.fill(0);
  return isComplete;
}
