import { describe, expect, it } from 'vitest';
import {
  fieldRanges,
  fieldsOf,
  floatOf,
  integersOf,
  messageBytes,
  ProtobufWriter,
  textOf,
} from '../../src/io/protobuf.js';

const bytesOf = (hex: string) => Buffer.from(hex.replace(/ /g, ''), 'hex');

describe('fieldsOf', () => {
  // Examples of the format's documentation: 150, "testing", packed 3, 270, 86942.
  it('reads numbers, texts, messages and packed numbers', () => {
    const [number, text, message, packed] = [
      ...fieldsOf(bytesOf('08 96 01  12 07 74657374696e67  1a 03 08 96 01  32 06 03 8e 02 9e a7 05')),
    ];
    expect([number!.number, number!.value]).toEqual([1, 150]);
    expect([text!.number, textOf(text!)]).toEqual([2, 'testing']);
    expect([message!.number, [...fieldsOf(message!.bytes)][0]!.value]).toEqual([3, 150]);
    expect([packed!.number, integersOf(packed!)]).toEqual([6, [3, 270, 86942]]);
  });

  it('reads negative numbers, and floats', () => {
    const [minus, float, double] = [
      ...fieldsOf(bytesOf('08 feffffffffffffffff01  15 0000c03f  19 000000000000f8bf')),
    ];
    expect(minus!.value).toBe(-2);
    expect(floatOf(float!)).toBe(1.5);
    expect(floatOf(double!)).toBe(-1.5);
  });

  it.each([
    ['a length beyond the end', '12 07 74', 'beyond the end'],
    ['a length of 2^63', '12 ffffffffffffffff7f', 'beyond the end'],
    ['a negative length', '12 ffffffffffffffffff01', 'beyond the end'],
    ['a number that is cut off', '08 96', 'cut off'],
    ['a number without an end', '08 ffffffffffffffffffffff', 'ten bytes'],
    ['a field of number 0', '00 01', 'number 0'],
    ['a group', '0b 0c', 'wire type 3'],
  ])('refuses %s', (_, hex, message) => {
    expect(() => [...fieldsOf(bytesOf(hex))]).toThrow(message);
    expect(() => [...fieldsOf(bytesOf(hex))]).toThrow(SyntaxError);
  });
});

describe('ProtobufWriter', () => {
  const inner = new ProtobufWriter().integer(1, -1).float(2, 0.1).integers(3, [1, 300, -5]);
  const message = new ProtobufWriter().text(1, 'ж').message(2000, inner).bytes(4, new Uint8Array(200_000));

  it('writes what fieldsOf reads', () => {
    const bytes = messageBytes(message);
    expect(bytes.length).toBe(message.length);
    const [text, nested, zeros] = [...fieldsOf(bytes)];
    expect(textOf(text!)).toBe('ж');
    expect(nested!.number).toBe(2000);
    const [one, float, many] = [...fieldsOf(nested!.bytes)];
    expect([one!.value, floatOf(float!), integersOf(many!)]).toEqual([-1, Math.fround(0.1), [1, 300, -5]]);
    expect(zeros!.bytes.length).toBe(200_000);
  });

  it('leaves room for what is written later', () => {
    const body = new ProtobufWriter<string>().later(9, 3, 'weights');
    const whole = new ProtobufWriter<string>().message(1, body);
    expect(whole.parts.filter((part) => typeof part === 'string')).toEqual(['weights']);
    const bytes = Buffer.concat(
      whole.parts.map((part) => (typeof part === 'string' ? Buffer.from('abc') : part)),
    );
    expect(bytes.length).toBe(whole.length);
    expect(bytes).toEqual(bytesOf('0a 05 4a 03 616263'));
  });
});

describe('fieldRanges', () => {
  it('passes over the values of a message in a file', async () => {
    const inner = new ProtobufWriter();
    for (let i = 0; i < 20_000; i++) inner.integer(1, i);
    const bytes = messageBytes(
      new ProtobufWriter().bytes(1, new Uint8Array(1_000_000)).message(2, inner).integer(3, 7),
    );
    let readBytes = 0;
    const read = async (position: number, length: number) => {
      readBytes += length;
      return bytes.subarray(position, position + length);
    };
    const found = [];
    for await (const field of fieldRanges(read, 0, bytes.length)) found.push(field);
    expect(found.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(readBytes).toBeLessThan(200_000);
    const [, message] = found;
    let sum = 0;
    for await (const { value } of fieldRanges(read, message!.begin, message!.end)) sum += value;
    expect(sum).toBe((20_000 * 19_999) / 2);
    await expect(async () => {
      for await (const _ of fieldRanges(read, 0, bytes.length - 1));
    }).rejects.toThrow(SyntaxError);
  });
});
