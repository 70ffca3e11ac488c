/* The structure of the YAML file against the schema: reports every unknown name and every value of
 * the wrong kind, with its line. libcyaml, which loads the file afterwards by the same schema,
 * would stop at the first, and quote values. */
#include "config_impl.h"

#include <cyaml/cyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct walk {
    struct load *load;
    yaml_document_t *yaml;
    bool *seen; /* per node: a node met twice is an alias */
    bool ok;
};

static void check_node(struct walk *w, int id, const cyaml_schema_value_t *schema, const char *path,
                       size_t key_line);

static void fault(struct walk *w, size_t line, const char *path, const char *text)
{
    w->ok = false;
    load_error_at(w->load, line, path, "%s", text);
}

/* Names are echoed where they look like a setting's name, but never where a secret might stand:
 * `credentials: {SECRET}` makes the secret a name. */
static bool may_echo(const char *parent, const yaml_node_t *key)
{
    static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
    size_t len = strlen(parent);
    static const char secret[] = "credentials";
    const char *text = (const char *)key->data.scalar.value;

    if (len >= strlen(secret) && strcmp(parent + len - strlen(secret), secret) == 0)
        return false;
    return *text && key->data.scalar.length <= 40 && strspn(text, name_chars) == strlen(text);
}

static void report_unknown(struct walk *w, const yaml_node_t *key, const char *parent,
                           const cyaml_schema_field_t *fields)
{
    struct buf text = {0}, path = {0};

    buf_adds(&text, "unknown setting, expected one of ");
    for (const cyaml_schema_field_t *f = fields; f->key; f++)
        buf_addf(&text, "%s%s", f == fields ? "" : ", ", f->key);
    if (may_echo(parent, key))
        buf_addf(&path, "%s%s%s", parent, *parent ? "." : "", (char *)key->data.scalar.value);
    else
        buf_adds(&path, *parent ? parent : "YAML");
    fault(w, key->start_mark.line + 1, buf_str(&path), buf_str(&text));
    buf_free(&text);
    buf_free(&path);
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *fields,
                                              const yaml_node_t *key)
{
    for (; fields->key; fields++)
        if (strlen(fields->key) == key->data.scalar.length &&
            memcmp(fields->key, key->data.scalar.value, key->data.scalar.length) == 0)
            return fields;
    return NULL;
}

static void check_pair(struct walk *w, const yaml_node_pair_t *pair,
                       const cyaml_schema_field_t *fields, bool *given, const char *parent)
{
    const yaml_node_t *key = yaml_document_get_node(w->yaml, pair->key);
    size_t line = key->start_mark.line + 1;
    const cyaml_schema_field_t *field;
    char path[256];

    if (key->type != YAML_SCALAR_NODE) {
        fault(w, line, *parent ? parent : "YAML", "expected the name of a setting");
        return;
    }
    field = find_field(fields, key);
    if (!field) {
        report_unknown(w, key, parent, fields);
        return;
    }
    snprintf(path, sizeof(path), "%s%s%s", parent, *parent ? "." : "", field->key);
    if (w->seen[pair->key - 1] || given[field - fields]) {
        fault(w, line, path, "expected once, but it is given twice");
        return;
    }
    w->seen[pair->key - 1] = true;
    given[field - fields] = true;
    check_node(w, pair->value, &field->value, path, line);
}

static void check_mapping(struct walk *w, const yaml_node_t *node,
                          const cyaml_schema_value_t *schema, const char *path, size_t line)
{
    const cyaml_schema_field_t *fields = schema->mapping.fields;
    const yaml_node_pair_t *pair;
    size_t count = 0;
    bool *given;

    if (node->type != YAML_MAPPING_NODE) {
        fault(w, line, *path ? path : "YAML",
              "expected settings (name: value lines) below it; leave it out if it has none");
        return;
    }
    while (fields[count].key)
        count++;
    given = mem_zalloc((count + 1) * sizeof(*given));
    for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
        check_pair(w, pair, fields, given, path);
    free(given);
}

static void check_sequence(struct walk *w, const yaml_node_t *node,
                           const cyaml_schema_value_t *schema, const char *path, size_t line)
{
    size_t count;
    char item[256];

    /* `senders:` with nothing behind it: an empty list. */
    if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0)
        return;
    if (node->type != YAML_SEQUENCE_NODE) {
        fault(w, line, path, "expected a list: [a, b], or lines that begin with '-'");
        return;
    }
    count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > schema->sequence.max) {
        snprintf(item, sizeof(item), "expected at most %u items", schema->sequence.max);
        fault(w, line, path, item);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int id = node->data.sequence.items.start[i];

        snprintf(item, sizeof(item), "%s[%zu]", path, i);
        check_node(w, id, schema->sequence.entry, item,
                   yaml_document_get_node(w->yaml, id)->start_mark.line + 1);
    }
}

static void check_scalar(struct walk *w, const yaml_node_t *node, const char *path, size_t line)
{
    if (node->type != YAML_SCALAR_NODE)
        fault(w, line, path, "expected a single value, not a list or settings");
    else if (node->data.scalar.length > CONFIG_TEXT_MAX)
        fault(w, line, path, "expected at most 64 KiB");
    else if (memchr(node->data.scalar.value, '\0', node->data.scalar.length))
        fault(w, line, path, "expected text without NUL characters");
}

/* Recursion is bounded by the schema's depth, not by the file's. */
static void check_node(struct walk *w, int id, const cyaml_schema_value_t *schema, const char *path,
                       size_t line)
{
    const yaml_node_t *node = yaml_document_get_node(w->yaml, id);

    if (w->seen[id - 1]) {
        fault(w, line, path, "expected the value itself, not a YAML alias (*name)");
        return;
    }
    w->seen[id - 1] = true;
    switch (schema->type) {
    case CYAML_MAPPING:
        check_mapping(w, node, schema, path, line);
        break;
    case CYAML_SEQUENCE:
        check_sequence(w, node, schema, path, line);
        break;
    default:
        check_scalar(w, node, path, line);
    }
}

bool structure_check(struct load *l, const struct doc *d, const cyaml_schema_value_t *root)
{
    struct walk w = {.load = l, .yaml = doc_yaml(d), .ok = true};
    const yaml_node_t *top = yaml_document_get_root_node(w.yaml);
    size_t count = (size_t)(w.yaml->nodes.top - w.yaml->nodes.start);

    if (!top)
        return true;
    w.seen = mem_zalloc(count * sizeof(*w.seen));
    check_node(&w, (int)(top - w.yaml->nodes.start) + 1, root, "", top->start_mark.line + 1);
    free(w.seen);
    return w.ok;
}
