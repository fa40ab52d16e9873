import { Group, type Member } from '../../src/entries/training.js';

/** Groups of ranks within this process, whose gathering is real; there is nothing in them for a trainer. */
export function fakeGroups(members: readonly Partial<Member>[]): Group[] {
  const size = members.length;
  const all = members.map((member, rank) => ({
    rank,
    host: 'here',
    pid: 100 + rank,
    device: 'cpu',
    ...member,
  }));
  let waiting: { bytes: Uint8Array[]; settle: (() => void)[] } = { bytes: [], settle: [] };
  const gather = (rank: number, bytes: Uint8Array) =>
    new Promise<Uint8Array[]>((settle) => {
      const round = waiting;
      round.bytes[rank] = bytes;
      round.settle.push(() => settle(round.bytes.map((own) => own.slice())));
      if (round.settle.length < size) return;
      waiting = { bytes: [], settle: [] };
      for (const done of round.settle) done();
    });
  return all.map(({ rank }) => {
    const native = { rank, size, members: all, gather: (bytes: Uint8Array) => gather(rank, bytes) };
    return Object.assign(Object.create(Group.prototype) as object, {
      ...{ native, rank, size, members: all, launcher: 'permafrost' },
    }) as unknown as Group;
  });
}
