/** Wakes up every few milliseconds and reports when it was late: `from` and `to` in milliseconds since 1970. */

/** Milliseconds between two wake-ups, and a delay that is not worth a report. */
const period = 5;
const usual = 10;

function wait(): void {
  const due = Date.now() + period;
  setTimeout(() => {
    const now = Date.now();
    if (now - due > usual) process.send?.({ from: due, to: now });
    wait();
  }, period);
}

process.on('message', (id) => process.send?.({ id }));
process.on('disconnect', () => process.exit(0));
wait();
process.send?.({ id: 0 });
