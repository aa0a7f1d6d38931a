/** The runner must be the pinned Node, not whatever `node` a shell found first (ECOSYSTEM: Node 20 resolves other code paths). */
export default function setup(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 24) {
    throw new Error(
      `the tests run on Node 24 or later, this is ${process.version}; start them with "npm test"`,
    );
  }
}
