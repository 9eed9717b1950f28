;;; lanebridge-editor.el --- What the server asks of the editor  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; lanebridge/editor/…: saving, diagnostics, what other language servers
;; know and change, what you look at.  Positions come and go in the
;; encoding of our own connection.

;;; Code:

(require 'cl-lib)
(require 'lanebridge-connection)
(require 'lanebridge-sync)
(require 'lanebridge-edit)

(declare-function lanebridge-others-ask "lanebridge-others")
(declare-function lanebridge-others-edit "lanebridge-others")
(declare-function lanebridge-others-versions "lanebridge-others")
(declare-function lanebridge-others-symbols "lanebridge-others")
(declare-function lanebridge-others-locations "lanebridge-others")
(declare-function lanebridge-others-actions "lanebridge-others")

(dolist (name '(:save :diagnostics :navigation :refactor :review :secrets))
  (lanebridge-announce (list :experimental :lanebridge name) t))
(lanebridge-announce '(:window :showDocument) '(:support t))

;;; Saving

(defun lanebridge-editor--check-coding ()
  "Fail if the current buffer's text cannot be written without a question."
  (let ((pos (and buffer-file-coding-system
                  (unencodable-char-position (point-min) (point-max)
                                             buffer-file-coding-system))))
    (when pos
      (lanebridge-edit--refuse (concat "%s cannot be written as %s because of \"%c\" in it: "
                                       "choose another by C-x RET f")
                               buffer-file-name buffer-file-coding-system (char-after pos)))))

(defun lanebridge-editor--save-here ()
  "Save the current buffer as if by hand, but without a question."
  (when (lanebridge-changed-on-disk-p)
    (lanebridge-edit--refuse "%s was changed on disk by something else" buffer-file-name))
  (when (and (file-exists-p buffer-file-name) (not (file-writable-p buffer-file-name)))
    (lanebridge-edit--refuse "%s is write-protected" buffer-file-name))
  (make-directory (file-name-directory buffer-file-name) t)
  (save-restriction
    (widen)
    (lanebridge-editor--check-coding))
  ;; A file without a last newline keeps doing without: nobody has edited that.
  (let ((require-final-newline nil)
        (mode-require-final-newline nil)
        (inhibit-message t))
    (lanebridge-without-asking
      (save-buffer))))

(defun lanebridge-editor-save (params reply)
  "Answer lanebridge/editor/save with PARAMS by REPLY."
  (let (problems)
    (seq-doseq (uri (plist-get params :uris))
      (let ((buffer (lanebridge-file-buffer uri)))
        (when (and buffer (buffer-modified-p buffer))
          (condition-case err
              (with-current-buffer buffer
                (save-excursion (lanebridge-editor--save-here)))
            (error (push (lanebridge-edit--why err) problems))))))
    (if problems
        (funcall reply nil (mapconcat #'identity (nreverse problems) "; "))
      (funcall reply lanebridge-empty))))

;;; Diagnostics

(declare-function flymake-diagnostics "flymake")
(declare-function flymake-diagnostic-beg "flymake")
(declare-function flymake-diagnostic-end "flymake")
(declare-function flymake-diagnostic-text "flymake")
(declare-function flymake-diagnostic-type "flymake")
(declare-function flymake-diagnostic-buffer "flymake")
(declare-function flycheck-error-line "ext:flycheck")
(declare-function flycheck-error-column "ext:flycheck")
(declare-function flycheck-error-message "ext:flycheck")
(declare-function flycheck-error-level "ext:flycheck")
(declare-function flycheck-error-checker "ext:flycheck")
(declare-function flycheck-error-region-for-mode "ext:flycheck")
(defvar flycheck-current-errors)
(defvar flymake-mode)
(defvar flycheck-mode)

(defun lanebridge-editor--severity (type)
  "LSP's severity of TYPE, a type of Flymake or a level of Flycheck."
  (let ((category (or (get type 'flymake-category) type)))
    (cond ((memq category '(flymake-error :error error)) 1)
          ((memq category '(flymake-warning :warning warning)) 2)
          (t 3))))

(defun lanebridge-editor--flymake (diagnostic)
  "DIAGNOSTIC of Flymake as LSP has it."
  (list :range (lanebridge-range (flymake-diagnostic-beg diagnostic)
                                 (flymake-diagnostic-end diagnostic))
        :severity (lanebridge-editor--severity (flymake-diagnostic-type diagnostic))
        :message (flymake-diagnostic-text diagnostic)))

(defun lanebridge-editor--flycheck (err)
  "ERR of Flycheck as LSP has it."
  (let ((region (or (flycheck-error-region-for-mode err 'symbols)
                    (cons (point-min) (point-min)))))
    (list :range (lanebridge-range (car region) (cdr region))
          :severity (lanebridge-editor--severity (flycheck-error-level err))
          :message (or (flycheck-error-message err) "")
          :source (format "%s" (flycheck-error-checker err)))))

(defun lanebridge-editor--checked-p ()
  "Non-nil if somebody checks the current buffer."
  (or (bound-and-true-p flymake-mode) (bound-and-true-p flycheck-mode)))

(defun lanebridge-diagnostics-here (&optional beg end)
  "Diagnostics of the current buffer as LSP has them, from BEG to END."
  (save-excursion
    (save-restriction
      (widen)
      (append
       (and (bound-and-true-p flymake-mode)
            (mapcar #'lanebridge-editor--flymake (flymake-diagnostics beg end)))
       (and (bound-and-true-p flycheck-mode)
            (cl-remove-if-not
             (lambda (diagnostic)
               (or (not beg)
                   (pcase-let ((`(,from . ,to) (lanebridge-region (plist-get diagnostic :range))))
                     (and (<= from (or end beg)) (>= to beg)))))
             (mapcar #'lanebridge-editor--flycheck flycheck-current-errors)))))))

(defun lanebridge-editor-diagnostics (params reply)
  "Answer lanebridge/editor/diagnostics with PARAMS by REPLY."
  (let ((buffers (if (plist-get params :uris)
                     (mapcar #'lanebridge-file-buffer (plist-get params :uris))
                   lanebridge-sync--buffers))
        files)
    (dolist (buffer buffers)
      (when (buffer-live-p buffer)
        (with-current-buffer buffer
          (when (lanebridge-editor--checked-p)
            (push (list :uri (lanebridge-sync-uri)
                        :diagnostics (vconcat (lanebridge-diagnostics-here)))
                  files)))))
    (funcall reply (list :files (vconcat (nreverse files))))))

;;; What other language servers know

(defmacro lanebridge-editor--at (uri &rest body)
  "Evaluate BODY in the buffer of URI, which is read if it is not open."
  (declare (indent 1) (debug t))
  `(with-current-buffer (lanebridge-without-asking (lanebridge-visit ,uri))
     (save-excursion
       (save-restriction
         (widen)
         ,@body))))

(defun lanebridge-editor-symbols (params reply)
  "Answer lanebridge/editor/symbols with PARAMS by REPLY."
  (require 'lanebridge-others)
  (let* ((uri (plist-get params :uri))
         (query (plist-get params :query))
         (done (lambda (symbols)
                 (funcall reply
                          (list :symbols
                                (vconcat (if (and uri query)
                                             (cl-remove-if-not
                                              (lambda (symbol)
                                                (let ((case-fold-search t))
                                                  (string-match-p (regexp-quote query)
                                                                  (plist-get symbol :name))))
                                              symbols)
                                           symbols)))))))
    (if uri
        (lanebridge-editor--at uri (lanebridge-others-symbols uri nil done))
      (lanebridge-others-symbols nil (or query "") done))))

(defun lanebridge-editor--locate (method more params reply)
  "Answer PARAMS, a place, by REPLY with what METHOD says of it.
MORE is put into what other servers are asked."
  (require 'lanebridge-others)
  (lanebridge-editor--at (plist-get params :uri)
    (lanebridge-others-locations method params more
                                 (lambda (locations)
                                   (funcall reply (list :locations (vconcat locations)))))))

(defun lanebridge-editor-definition (params reply)
  "Answer lanebridge/editor/definition with PARAMS by REPLY."
  (lanebridge-editor--locate "textDocument/definition" nil params reply))

(defun lanebridge-editor-references (params reply)
  "Answer lanebridge/editor/references with PARAMS by REPLY."
  (lanebridge-editor--locate "textDocument/references"
                             '(:context (:includeDeclaration t)) params reply))

;;; What they change; it is not applied here, the server plans it

(defun lanebridge-editor--edit (method params more reply none)
  "Ask one other server METHOD about PARAMS with MORE, and REPLY its edit.
NONE is said where none can do that."
  (require 'lanebridge-others)
  (lanebridge-editor--at (plist-get params :uri)
    (let ((versions (lanebridge-others-versions)))
      (unless (lanebridge-others-ask
               method params more
               (lambda (answers)
                 (pcase (car answers)
                   ('nil (funcall reply nil "the language server gave no answer"))
                   (`(,client . ,result)
                    (funcall reply
                             (if result
                                 (list :edit (lanebridge-others-edit
                                              client
                                              (if (vectorp result)
                                                  (list :changes
                                                        (list (plist-get params :uri) result))
                                                result)
                                              versions))
                               lanebridge-empty)))))
               1)
        (funcall reply nil none)))))

(defun lanebridge-editor-rename (params reply)
  "Answer lanebridge/editor/rename with PARAMS by REPLY."
  (lanebridge-editor--edit "textDocument/rename" params
                           (list :newName (plist-get params :newName)) reply
                           "no language server here can rename"))

(defun lanebridge-editor-format (params reply)
  "Answer lanebridge/editor/format with PARAMS by REPLY."
  (lanebridge-editor--at (plist-get params :uri)
    (lanebridge-editor--edit (if (plist-get params :range)
                                 "textDocument/rangeFormatting"
                               "textDocument/formatting")
                             params
                             (list :options (list :tabSize tab-width
                                                  :insertSpaces
                                                  (if indent-tabs-mode :json-false t)))
                             reply
                             "no language server here formats this file")))

(defun lanebridge-editor-code-action (params reply)
  "Answer lanebridge/editor/codeAction with PARAMS by REPLY."
  (require 'lanebridge-others)
  (lanebridge-editor--at (plist-get params :uri)
    (let ((versions (lanebridge-others-versions))
          (title (plist-get params :title)))
      (lanebridge-others-actions
       params
       (lambda (actions)
         (let ((chosen (if title
                           (cl-find title actions :test #'equal :key #'car)
                         (and (= (length actions) 1) (car actions)))))
           (funcall reply
                    (append (list :titles (vconcat (mapcar #'car actions)))
                            (and chosen
                                 (list :edit (lanebridge-others-edit (nth 1 chosen) (nth 2 chosen)
                                                                     versions)))))))))))

;;; What you look at

(defun lanebridge-editor--here-p (buffer)
  "Non-nil if BUFFER is open for the server that asks."
  (with-current-buffer buffer
    (and lanebridge-sync--document
         (eq (lanebridge-document-server lanebridge-sync--document) (lanebridge-server)))))

(defun lanebridge-editor--windows ()
  "Windows with files that are open, the one used last first."
  (let ((server (lanebridge-server)))
    (cl-sort (cl-remove-if-not
              (lambda (window)
                (let ((lanebridge--server server))
                  (lanebridge-editor--here-p (window-buffer window))))
              (cl-mapcan (lambda (frame) (window-list frame 'no-minibuffer)) (visible-frame-list)))
             #'> :key #'window-use-time)))

(defun lanebridge-editor--visible (window)
  "What is seen in WINDOW."
  (with-current-buffer (window-buffer window)
    (list :uri (lanebridge-sync-uri)
          :ranges (vector (lanebridge-range (window-start window)
                                            (max (window-start window)
                                                 (min (window-end window) (point-max))))))))

(defun lanebridge-editor-context (_params reply)
  "Answer lanebridge/editor/context by REPLY."
  (let* ((windows (lanebridge-editor--windows))
         (active (and windows (window-buffer (car windows))))
         (open (cl-remove-if-not #'lanebridge-editor--here-p
                                 (cl-remove-if-not #'buffer-live-p lanebridge-sync--buffers)))
         (uri (lambda (buffer) (with-current-buffer buffer (lanebridge-sync-uri)))))
    (funcall reply
             (append (list :open (vconcat (mapcar uri open))
                           :visible (vconcat (mapcar #'lanebridge-editor--visible windows)))
                     (when active
                       (with-current-buffer active
                         (append (list :active (lanebridge-sync-uri))
                                 (when (and mark-active (eq (car windows) (selected-window))
                                            (/= (region-beginning) (region-end)))
                                   (list :selection (lanebridge-range (region-beginning)
                                                                      (region-end)))))))))))

(defun lanebridge-editor-show-document (params reply)
  "Answer window/showDocument with PARAMS by REPLY."
  (let ((uri (plist-get params :uri))
        (range (plist-get params :selection)))
    (if (or (eq (plist-get params :external) t) (not (lanebridge-uri-file uri)))
        (browse-url uri)
      (let* ((buffer (lanebridge-without-asking (lanebridge-visit uri)))
             (window (if (eq (plist-get params :takeFocus) t)
                         (progn (pop-to-buffer buffer) (selected-window))
                       (display-buffer buffer))))
        (when (and range window)
          (with-current-buffer buffer
            (set-window-point window (lanebridge-point (plist-get range :start)))))))
    (funcall reply (list :success t))))

(pcase-dolist (`(,method . ,function)
               '(("lanebridge/editor/save" . lanebridge-editor-save)
                 ("lanebridge/editor/diagnostics" . lanebridge-editor-diagnostics)
                 ("lanebridge/editor/symbols" . lanebridge-editor-symbols)
                 ("lanebridge/editor/definition" . lanebridge-editor-definition)
                 ("lanebridge/editor/references" . lanebridge-editor-references)
                 ("lanebridge/editor/rename" . lanebridge-editor-rename)
                 ("lanebridge/editor/codeAction" . lanebridge-editor-code-action)
                 ("lanebridge/editor/format" . lanebridge-editor-format)
                 ("lanebridge/editor/context" . lanebridge-editor-context)
                 ("window/showDocument" . lanebridge-editor-show-document)))
  (lanebridge-on-request method function))

(provide 'lanebridge-editor)
;;; lanebridge-editor.el ends here
