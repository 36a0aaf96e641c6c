/* The arithmetic of draws.py in 64 bits of the processor: word, uniform and mix, which see there.
 *
 * Integers of Python are taken modulo 2**64, as the masks of draws.py take them.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

static uint64_t finalize(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Fills `out` with `count` integers; 0 where that failed. */
static int taken(PyObject *const *args, Py_ssize_t given, Py_ssize_t count, uint64_t *out)
{
    if (given != count) {
        PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", count, given);
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i] = PyLong_AsUnsignedLongLongMask(args[i]);
        if (out[i] == (uint64_t)-1 && PyErr_Occurred())
            return 0;
    }
    return 1;
}

static uint64_t drawn(const uint64_t *of)
{
    return finalize(of[0] + (of[1] << 32 | of[2]) * 0x9E3779B97F4A7C15u);
}

static PyObject *word(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    uint64_t of[3];
    return taken(args, given, 3, of) ? PyLong_FromUnsignedLongLong(drawn(of)) : NULL;
}

static PyObject *uniform(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    uint64_t of[3];
    if (!taken(args, given, 3, of))
        return NULL;
    return PyFloat_FromDouble((double)(drawn(of) >> 12) * 0x1p-52 + 0x1p-53);
}

static PyObject *mix(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    uint64_t of[2];
    if (!taken(args, given, 2, of))
        return NULL;
    return PyLong_FromUnsignedLongLong(finalize(of[0] + (of[1] + 1) * 0xD1342543DE82EF95u));
}

static PyMethodDef methods[] = {
    {"word", (PyCFunction)(void (*)(void))word, METH_FASTCALL, NULL},
    {"uniform", (PyCFunction)(void (*)(void))uniform, METH_FASTCALL, NULL},
    {"mix", (PyCFunction)(void (*)(void))mix, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_splitmix", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__splitmix(void)
{
    return PyModule_Create(&module);
}
