import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

/** A name the loader asks for (`libicuuc.so.60`) and the file beside it that it stands for (`libicuuc.so.60.2`). */
interface LibraryLink {
  readonly path: string;
  readonly file: string;
}

/**
 * The npm archive cannot hold links and the package makes them in an install script, which we do not run. Without
 * them `postgres` does not load, and `initdb` silently takes the *system's* libpq.
 *
 * @returns the links that do not exist yet
 */
export function listMissingLinks(nativeFolder: string): LibraryLink[] {
  const links = [...listedLinks(nativeFolder), ...sonameLinks(join(nativeFolder, 'lib'))];
  const byPath = new Map(links.map((link) => [link.path, link]));
  return [...byPath.values()].filter((link) => !existsSync(link.path));
}

/** Throws EACCES or EROFS where the folder cannot be written. */
export function createLinks(links: readonly LibraryLink[]): void {
  for (const { path, file } of links) {
    try {
      symlinkSync(file, path);
    } catch (error) {
      if (!existsSync(path)) throw error; // another process was faster: fine
    }
  }
}

/** What the package lists itself, `native/lib/<file>` and `native/lib/<link>`; a copy of the folder has another name. */
function listedLinks(nativeFolder: string): LibraryLink[] {
  const list = join(nativeFolder, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const entries = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  return entries
    .filter(({ source, target }) => dirname(source) === dirname(target))
    .map(({ source, target }) => ({
      path: join(nativeFolder, relative('native', target)),
      file: basename(source),
    }));
}

/** `libX.so.60.2` is asked for as `libX.so.60`, on macOS `libX.60.2.dylib` as `libX.60.dylib`. */
function sonameLinks(libFolder: string): LibraryLink[] {
  return readdirSync(libFolder).flatMap((file) => {
    const linux = /^(lib.+\.so\.\d+)\.[\d.]+$/.exec(file)?.[1];
    const macos = /^(lib[^.]+\.\d+)\.[\d.]+\.dylib$/.exec(file)?.[1];
    const name = linux ?? (macos === undefined ? undefined : `${macos}.dylib`);
    return name === undefined ? [] : [{ path: join(libFolder, name), file }];
  });
}
