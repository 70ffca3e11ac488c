/* The YAML tree with its line numbers: syntax errors, and where in the file a setting stands.
 * libcyaml gives values but forgets where they came from. */
#include "config_impl.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct doc {
    yaml_document_t yaml;
};

/* libyaml's reader knows the byte, its scanner and parser the line. */
static size_t problem_line(const yaml_parser_t *p, const char *text, size_t len)
{
    size_t line = 1;

    if (p->error != YAML_READER_ERROR)
        return p->problem_mark.line + 1;
    for (size_t i = 0; i < p->problem_offset && i < len; i++)
        line += text[i] == '\n';
    return line;
}

/* libyaml's problem texts are constants: they never quote the file. */
static void report_syntax(struct load *l, const yaml_parser_t *p, const char *text, size_t len)
{
    load_error_at(l, problem_line(p, text, len), "YAML", "expected well-formed YAML: %s%s%s",
                  p->problem ? p->problem : "it cannot be read", p->context ? " " : "",
                  p->context ? p->context : "");
}

/* A second document would be silently ignored otherwise. */
static bool check_single(struct load *l, yaml_parser_t *p, const char *text, size_t len)
{
    yaml_document_t next;
    const yaml_node_t *root;

    if (!yaml_parser_load(p, &next)) {
        report_syntax(l, p, text, len);
        return false;
    }
    root = yaml_document_get_root_node(&next);
    if (root)
        load_error_at(l, root->start_mark.line + 1, "YAML", "expected one document, not several");
    yaml_document_delete(&next);
    return !root;
}

struct doc *doc_parse(struct load *l, const char *text, size_t len)
{
    struct doc *d = mem_zalloc(sizeof(*d));
    yaml_parser_t p;
    bool ok;

    if (!yaml_parser_initialize(&p))
        abort(); /* only for want of memory */
    yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
    ok = yaml_parser_load(&p, &d->yaml);
    if (!ok)
        report_syntax(l, &p, text, len);
    else if (yaml_document_get_root_node(&d->yaml))
        ok = check_single(l, &p, text, len);
    yaml_parser_delete(&p);
    if (ok)
        return d;
    doc_free(d);
    return NULL;
}

void doc_free(struct doc *d)
{
    if (!d)
        return;
    yaml_document_delete(&d->yaml);
    free(d);
}

struct yaml_document_s *doc_yaml(const struct doc *d)
{
    /* libyaml's accessors take no const, though they change nothing. */
    return (struct yaml_document_s *)&d->yaml;
}

/* The value of key name[0..len) in a mapping, or NULL; *ret_line becomes the key's line. */
static yaml_node_t *find_key(const struct doc *d, const yaml_node_t *map, const char *name,
                             size_t len, size_t *ret_line)
{
    const yaml_node_pair_t *pair;

    if (map->type != YAML_MAPPING_NODE)
        return NULL;
    for (pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(doc_yaml(d), pair->key);

        if (key->type == YAML_SCALAR_NODE && key->data.scalar.length == len &&
            memcmp(key->data.scalar.value, name, len) == 0) {
            *ret_line = key->start_mark.line + 1;
            return yaml_document_get_node(doc_yaml(d), pair->value);
        }
    }
    return NULL;
}

static yaml_node_t *find_item(const struct doc *d, const yaml_node_t *seq, unsigned long index,
                              size_t *ret_line)
{
    yaml_node_t *item;

    if (seq->type != YAML_SEQUENCE_NODE ||
        index >= (size_t)(seq->data.sequence.items.top - seq->data.sequence.items.start))
        return NULL;
    item = yaml_document_get_node(doc_yaml(d), seq->data.sequence.items.start[index]);
    *ret_line = item->start_mark.line + 1;
    return item;
}

size_t doc_line(const struct doc *d, const char *path)
{
    yaml_node_t *node = yaml_document_get_root_node(doc_yaml(d));
    size_t line = 1;

    while (node && *path) {
        if (*path == '[') {
            char *end;

            node = find_item(d, node, strtoul(path + 1, &end, 10), &line);
            path = *end == ']' ? end + 1 : end;
        } else {
            size_t len = strcspn(path, ".[");

            node = find_key(d, node, path, len, &line);
            path += len;
        }
        if (*path == '.')
            path++;
    }
    return line;
}
