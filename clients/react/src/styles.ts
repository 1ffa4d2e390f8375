// The types of styles.css: TypeScript refuses `import "@channelgate/react/styles.css"` without any.

export {};
