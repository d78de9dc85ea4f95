// The site: navigation by hand, the API reference in the sidebar from the file that TypeDoc
// writes next to it, and search that needs no service.
import { readdirSync, readFileSync } from 'node:fs'
import { defineConfig, type DefaultTheme } from 'vitepress'

function apiSidebar(): DefaultTheme.SidebarItem[] {
  const file = new URL('../api/typedoc-sidebar.json', import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as DefaultTheme.SidebarItem[]
}

/** The pages of a folder by their first heading, in the order of that or of what `by` gives. */
function pages(
  folder: string,
  by = (page: DefaultTheme.SidebarItem): string => page.text ?? '',
): DefaultTheme.SidebarItem[] {
  const path = new URL(`../${folder}/`, import.meta.url)
  return readdirSync(path)
    .filter((file) => file.endsWith('.md') && file !== 'index.md' && file !== 'template.md')
    .map((file) => {
      const text = readFileSync(new URL(file, path), 'utf8')
      const name = file.replace(/\.md$/, '')
      return { text: /^# (.+)$/m.exec(text)?.[1] ?? name, link: `/${folder}/${name}` }
    })
    .toSorted((a, b) => (by(a) < by(b) ? -1 : 1))
}

/** The guides in the order in which they are needed; those that are not listed come last. */
const GUIDES = [
  'embed-a-store',
  'run-a-cluster',
  'break-a-cluster',
  'look-after-a-cluster',
  'lost-majority',
  'test-your-state-machine',
]

function guideOrder({ link = '' }: DefaultTheme.SidebarItem): string {
  const at = GUIDES.indexOf(link.replace('/guides/', ''))
  return at < 0 ? `z${link}` : String(at)
}

const packages = readdirSync(new URL('../../packages/', import.meta.url)).map((name) => ({
  text: `@quorate/${name}`,
  link: `/packages/${name}`,
}))

const reading: DefaultTheme.SidebarItem[] = [
  { text: 'Guides', items: pages('guides', guideOrder) },
  { text: 'Concepts', items: pages('concepts') },
  { text: 'Reference', items: [...pages('reference'), { text: 'API', link: '/api/' }] },
  { text: 'Packages', items: packages, collapsed: false },
]

const decisions: DefaultTheme.SidebarItem[] = [
  { text: 'About decisions', link: '/adr/' },
  ...pages('adr', (page) => page.link ?? ''),
]

export default defineConfig({
  title: 'Quorate',
  description: 'Consensus and partitioning for TypeScript, in parts that can be swapped',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ['adr/template.md'],
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guides', link: '/guides/embed-a-store' },
      { text: 'Packages', link: '/packages/kv' },
      { text: 'Guarantees', link: '/concepts/guarantees' },
      { text: 'API', link: '/api/' },
      { text: 'Decisions', link: '/adr/' },
    ],
    sidebar: {
      '/api/': [{ text: 'API', items: apiSidebar() }],
      '/guides/': reading,
      '/concepts/': reading,
      '/reference/': reading,
      '/packages/': reading,
      '/adr/': [{ text: 'Decisions', items: decisions }],
    },
    outline: { level: [2, 3] },
  },
})
