;;; lint.el --- What the compiler, checkdoc and package-lint say  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; `lb-lint' compiles the files of a folder, and looks at them.  Anything
;; that is said fails.

;;; Code:

(require 'bytecomp)
(require 'checkdoc)
(require 'cl-lib)

(defun lb-lint--compile (files)
  "Compile FILES; give how many were warned of."
  (let ((byte-compile-error-on-warn t))
    (cl-count nil (mapcar #'byte-compile-file files))))

(defun lb-lint--checkdoc (files)
  "Look at the documentation of FILES; give how many remarks there are."
  (let ((count 0))
    (dolist (file files count)
      (with-current-buffer (find-file-noselect file)
        (let ((checkdoc-create-error-function
               (lambda (text start _end &optional _unfixable)
                 (setq count (1+ count))
                 (princ (format "%s:%s: checkdoc: %s\n" (file-name-nondirectory file)
                                (if start (line-number-at-pos start) 1) text))
                 nil))
              (checkdoc-verb-check-experimental-flag nil))
          (checkdoc-current-buffer t))))))

(declare-function package-lint-buffer "ext:package-lint")
(defvar package-lint-main-file)
(defvar package-archives)

(defun lb-lint--package (files)
  "Have package-lint look at FILES; give how many remarks there are."
  (if (not (require 'package-lint nil t))
      (progn (princ "note: no package-lint here\n") 0)
    (let ((count 0) (package-archives nil))
      (dolist (file files count)
        (with-current-buffer (find-file-noselect file)
          (setq-local package-lint-main-file
                      (expand-file-name "lanebridge.el" (file-name-directory file)))
          (pcase-dolist (`(,line ,_ ,type ,text) (package-lint-buffer))
            ;; The one of Debian 12 knows no Emacs newer than 27.
            (unless (string-match-p "uninstallable in all released" text)
              (setq count (1+ count))
              (princ (format "%s:%d: package-lint %s: %s\n" (file-name-nondirectory file)
                             line type text)))))))))

(defun lb-lint ()
  "Look at the folder that the command line names; exit with 1 if something is said."
  (let* ((files (directory-files (pop command-line-args-left) t "\\.el\\'"))
         (found (let ((inhibit-message nil))
                  (+ (lb-lint--compile files) (lb-lint--checkdoc files)
                     (lb-lint--package files)))))
    (princ (format "%d files compiled and looked at, %d remarks\n" (length files) found))
    (kill-emacs (if (> found 0) 1 0))))

;;; lint.el ends here
