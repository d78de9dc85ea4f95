// The pages of the packages are their READMEs: what each is, guarantees, and options with defaults.
import { readdirSync, readFileSync } from 'node:fs'

const packages = new URL('../../packages/', import.meta.url)

/** Links of a README lead elsewhere from a page of the site. */
function forSite(name: string, text: string): string {
  return text
    .replaceAll('](../../docs/', '](../')
    .replaceAll(/\]\(\.\.\/([a-z-]+)\/README\.md\)/g, '](./$1.md)')
    .replaceAll(/(!\[[^\]]*\])\(([a-z-]+\.svg)\)/g, `$1(../../packages/${name}/$2)`)
    .replaceAll(/(?<!!)\[([^\]]+)\]\((?:\.\.\/[a-z-]+\/)?src\/[^)]*\)/g, '$1')
}

export default {
  paths() {
    return readdirSync(packages).map((name) => {
      const readme = readFileSync(new URL(`${name}/README.md`, packages), 'utf8')
      return { params: { name }, content: forSite(name, readme) }
    })
  },
}
