/*
 * draw_svg: a picture that any browser shows as it is: no scripts, no styles from elsewhere. What a
 * colour says, a word and the outline say too.
 */
#include "services/worker/flow_service/draw_parts.h"

enum {
    BOX_WIDTH = 256, /* TITLE_LETTERS wide ones of common fonts, and the mark before them */
    BOX_HEIGHT = 46,
    GAP_X = 72,
    GAP_Y = 16,
    MARGIN = 24,
    HEAD = 64,        /* above the boxes: title and legend */
    COLUMN_ROWS = 40, /* a layer with more has several columns */
    TITLE_LETTERS = 25,
    TELL_LETTERS = 512,
    LEGEND_WIDTH = 104, /* of each look */
};

struct look {
    const char *name;
    const char *fill;
    const char *stroke;
    const char *dash;  /* stroke-dasharray, or "none" */
    const char *glyph; /* before the title */
    int corner;
};

/* In the order of the legend. */
static const struct look looks[] = {
    {"ready", "#dbeafe", "#1d4ed8", "none", "\xe2\x96\xb7", 12},
    {"active", "#fde68a", "#92400e", "none", "\xe2\x96\xb6", 0},
    {"queued", "#ffffff", "#4b5563", "none", "\xe2\x97\x8b", 12},
    {"blocked", "#fecaca", "#b91c1c", "8 3", "\xe2\x96\xa0", 0},
    {"resting", "#e9d5ff", "#6b21a8", "2 3", "\xe2\x97\x90", 12},
    {"completed", "#bbf7d0", "#166534", "none", "\xe2\x9c\x93", 12},
    {"failed", "#fca5a5", "#7f1d1d", "none", "\xe2\x9c\x97", 0},
    {"cancelled", "#f3f4f6", "#6b7280", "1 4", "\xe2\x80\x93", 0},
};

enum { LOOKS = sizeof(looks) / sizeof(looks[0]) };

struct spot {
    int x;
    int y;
};

struct canvas {
    const struct picture *picture;
    struct fb_buffer *out;
    struct spot *spots; /* by node */
    int width;
    int height;
};

/* --- text --- */

/* The bytes of the character that begins here, which XML may have; else 0. */
static size_t drawable(const unsigned char *at)
{
    size_t size = 1;

    if (*at < 0x80) {
        return *at >= ' ' && *at != 0x7f ? 1 : 0;
    }
    while ((at[size] & 0xc0) == 0x80 && size < 4) {
        size++;
    }
    /* U+FFFE and U+FFFF are no characters of XML. */
    return size == 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe ? 0 : size;
}

static void put_text(struct fb_buffer *out, const char *text, int letters_most)
{
    const unsigned char *at = (const unsigned char *)(text == NULL ? "" : text);

    for (int letters = 0; *at != '\0'; letters++) {
        const size_t size = drawable(at);

        if (letters == letters_most) {
            fb_buffer_string(out, "\xe2\x80\xa6");
            return;
        }
        if (size == 0) {
            fb_buffer_string(out, " ");
            at++;
            while ((*at & 0xc0) == 0x80) {
                at++;
            }
            continue;
        }
        switch (*at) {
        case '&':
            fb_buffer_string(out, "&amp;");
            break;
        case '<':
            fb_buffer_string(out, "&lt;");
            break;
        case '>':
            fb_buffer_string(out, "&gt;");
            break;
        case '"':
            fb_buffer_string(out, "&quot;");
            break;
        case '\'':
            fb_buffer_string(out, "&#39;");
            break;
        default:
            fb_buffer_append(out, at, size);
            break;
        }
        at += size;
    }
}

/* --- places --- */

static const struct look *look_of(const struct picture *picture, uint32_t task)
{
    const struct fb_text state = fb_text_of(picture_state(picture, task));

    for (size_t i = 0; i < LOOKS; i++) {
        if (fb_text_is(state, looks[i].name)) {
            return &looks[i];
        }
    }
    return &looks[2];
}

/* Columns from left to right, a layer after the other. */
static bool place(struct canvas *canvas, struct fb_arena *arena)
{
    const struct picture *picture = canvas->picture;
    int column = 0;
    int row = 0;
    int rows = 1;

    canvas->spots = fb_arena_zalloc(arena, (size_t)picture->count + 1, sizeof(*canvas->spots));
    if (canvas->spots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < picture->count; i++) {
        if (i > 0 &&
            (picture->nodes[i].layer != picture->nodes[i - 1].layer || row == COLUMN_ROWS)) {
            column++;
            row = 0;
        }
        canvas->spots[i] = (struct spot){
            .x = MARGIN + column * (BOX_WIDTH + GAP_X),
            .y = MARGIN + HEAD + row * (BOX_HEIGHT + GAP_Y),
        };
        row++;
        rows = row > rows ? row : rows;
    }
    canvas->width = 2 * MARGIN + column * (BOX_WIDTH + GAP_X) + BOX_WIDTH;
    canvas->width = canvas->width < 2 * MARGIN + LOOKS * LEGEND_WIDTH
                        ? 2 * MARGIN + LOOKS * LEGEND_WIDTH
                        : canvas->width;
    canvas->height = 2 * MARGIN + HEAD + rows * (BOX_HEIGHT + GAP_Y);
    return true;
}

/* --- parts --- */

static void put_head(const struct canvas *canvas)
{
    const struct picture *picture = canvas->picture;
    struct fb_buffer *out = canvas->out;

    fb_buffer_printf(out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                     "viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\" "
                     "font-size=\"13\">\n<title>",
                     canvas->width, canvas->height, canvas->width, canvas->height);
    put_text(out, picture->session->name, TELL_LETTERS);
    fb_buffer_printf(out, "</title>\n<desc>%u tasks", picture->count);
    if (picture->left_out > 0) {
        fb_buffer_printf(out, ", %u more left out", picture->left_out);
    }
    fb_buffer_string(out, "; arrows lead to what waits; thick is the longest chain.</desc>\n"
                          "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
                          "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\" "
                          "markerUnits=\"userSpaceOnUse\"><path d=\"M0 0L8 4L0 8z\" "
                          "fill=\"#4b5563\"/></marker></defs>\n"
                          "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    fb_buffer_printf(out, "<text x=\"%d\" y=\"%d\" font-size=\"18\" font-weight=\"bold\">", MARGIN,
                     MARGIN + 14);
    put_text(out, picture->session->name, 80);
    fb_buffer_string(out, "</text>\n");
    for (int i = 0; i < LOOKS; i++) {
        fb_buffer_printf(out,
                         "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" rx=\"%d\" fill=\"%s\" "
                         "stroke=\"%s\" stroke-dasharray=\"%s\"/>"
                         "<text x=\"%d\" y=\"%d\" font-size=\"12\">%s %s</text>\n",
                         MARGIN + i * LEGEND_WIDTH, MARGIN + 28, looks[i].corner / 3, looks[i].fill,
                         looks[i].stroke, looks[i].dash, MARGIN + i * LEGEND_WIDTH + 19,
                         MARGIN + 40, looks[i].glyph, looks[i].name);
    }
}

static void put_link(void *arg, const struct graph_edge *edge, bool critical)
{
    static const char *const dashes[GRAPH_KINDS] = {
        [GRAPH_AFTER] = "none",  [GRAPH_ENDS] = "8 4", [GRAPH_ON_FAIL] = "2 3",
        [GRAPH_PARENT] = "none", [GRAPH_FROM] = "1 4", [GRAPH_DUP] = "1 4",
    };
    const struct canvas *canvas = arg;
    const struct spot from = canvas->spots[canvas->picture->places[edge->before] - 1];
    const struct spot to = canvas->spots[canvas->picture->places[edge->after] - 1];
    const int x1 = from.x + BOX_WIDTH;
    const int y1 = from.y + BOX_HEIGHT / 2;
    const int x2 = to.x;
    const int y2 = to.y + BOX_HEIGHT / 2;
    const int bend = GAP_X / 2 + (x2 > x1 ? 0 : 48); /* backwards, and within a column, in a loop */

    fb_buffer_printf(canvas->out,
                     "<path d=\"M%d %dC%d %d %d %d %d %d\" fill=\"none\" stroke=\"%s\" "
                     "stroke-width=\"%s\" stroke-dasharray=\"%s\" "
                     "marker-end=\"url(#arrow)\"><title>#%u %s #%u</title></path>\n",
                     x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2, critical ? "#111827" : "#9ca3af",
                     critical ? "3" : "1.2", dashes[edge->kind], edge->after,
                     picture_link_name(edge->kind), edge->before);
}

static void put_box(const struct canvas *canvas, uint32_t i)
{
    const struct picture *picture = canvas->picture;
    const struct session *session = picture->session;
    const struct picture_node *node = &picture->nodes[i];
    const struct task *task = &session->tasks[node->task];
    const struct look *look = look_of(picture, node->task);
    const struct spot spot = canvas->spots[i];
    struct fb_buffer *out = canvas->out;

    fb_buffer_printf(out, "<g><title>#%u ", node->task);
    put_text(out, task->title, TELL_LETTERS);
    fb_buffer_printf(out,
                     " (%s)</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
                     "rx=\"%d\" fill=\"%s\" stroke=\"%s\" stroke-width=\"%s\" "
                     "stroke-dasharray=\"%s\"/>",
                     look->name, spot.x, spot.y, BOX_WIDTH, BOX_HEIGHT, look->corner, look->fill,
                     node->critical ? "#111827" : look->stroke, node->critical ? "3" : "1.5",
                     look->dash);
    if (task->percent > 0 && task->percent < 100) {
        fb_buffer_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%u\" height=\"3\" fill=\"%s\"/>",
                         spot.x + 8, spot.y + BOX_HEIGHT - 6,
                         (unsigned)(BOX_WIDTH - 16) * task->percent / 100, look->stroke);
    }
    fb_buffer_printf(out, "<text x=\"%d\" y=\"%d\">%s #%u ", spot.x + 8, spot.y + 18, look->glyph,
                     node->task);
    put_text(out, task->title, TITLE_LETTERS);
    fb_buffer_printf(out, "</text><text x=\"%d\" y=\"%d\" font-size=\"11\" fill=\"#374151\">%s",
                     spot.x + 8, spot.y + 35, look->name);
    if (task->percent > 0 && !task_has_ended(task->state)) {
        fb_buffer_printf(out, " %u%%", task->percent);
    }
    if (task->state == TASK_ACTIVE) {
        fb_buffer_string(out, " \xc2\xb7 ");
        put_text(out, session->agent_names.texts[task->lease.agent].data, 20);
    }
    fb_buffer_string(out, "</text></g>\n");
}

void draw_svg(const struct picture *picture, struct fb_arena *arena, struct fb_buffer *out)
{
    struct canvas canvas = {.picture = picture, .out = out};

    if (!place(&canvas, arena)) {
        out->failed = true;
        return;
    }
    put_head(&canvas);
    picture_each_link(picture, put_link, &canvas);
    for (uint32_t i = 0; i < picture->count; i++) {
        put_box(&canvas, i);
    }
    fb_buffer_string(out, "</svg>\n");
}
