/** Waits until something is so; fails where it does not come about. */
export async function waitFor<Value>(
  look: () => Promise<Value | undefined | false> | Value | undefined | false,
): Promise<Value> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error('it did not come about');
    await Bun.sleep(10);
  }
}
